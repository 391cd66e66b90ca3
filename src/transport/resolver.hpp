// Host names to addresses, without holding up the I/O thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nullspace::inline v0::transport {

struct Resolution {
  // Numeric addresses in the order in which to try them; empty when the lookup failed.
  std::vector<std::string> addresses{};
  std::string error{};
};

// What needs no lookup: literals, and names that mean this machine by definition (127.0.0.1, then
// ::1), which must not depend on what a name server says.
[[nodiscard]] std::optional<std::vector<std::string>> resolve_without_lookup(std::string_view host);

// getaddrinfo().
[[nodiscard]] Resolution look_up(const std::string& host);

// Thread-safe. One helper thread, started with the first name that needs a lookup; lookups are made
// one after another.
class Resolver {
 public:
  using Lookup = std::function<Resolution(const std::string&)>;
  using Done = std::function<void(Resolution)>;

  explicit Resolver(Lookup lookup = look_up);
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;
  // Does not wait for a lookup under way: its result is dropped, and its thread is joined once it
  // has ended (at the latest when the library is unloaded or the process exits).
  ~Resolver();

  // `done` is called on the helper thread, or not at all once the Resolver is gone.
  void resolve(std::string host, Done done);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace nullspace::inline v0::transport
