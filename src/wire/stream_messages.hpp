// What exec and terminal streams have in common.
#pragma once

#include <string>

namespace nullspace::inline v0::wire {

// `error`: ends the exec or the session it belongs to.
struct StreamError {
  // Of the client's message; "" when the server could not tell, then it is not written.
  std::string id{};
  std::string message{};
  // "" = none.
  std::string code{};
  friend bool operator==(const StreamError&, const StreamError&) = default;
};
[[nodiscard]] std::string encode(const StreamError& message);

// A `type` this SDK does not know. Readers skip it.
struct UnknownMessage {
  std::string type{};
  friend bool operator==(const UnknownMessage&, const UnknownMessage&) = default;
};

}  // namespace nullspace::inline v0::wire
