// What may be written into the head of a request.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <nullspace/transport.hpp>

namespace nullspace::inline v0::transport {

// Letters, digits and !#$%&'*+-.^_`|~, at least one: a method or a header name.
[[nodiscard]] bool is_token(std::string_view text) noexcept;

// Why these headers cannot be sent (a name that is no token, a value with CR, LF, NUL or another
// control character); empty when they can. Values are not repeated: one of them is the key.
[[nodiscard]] std::optional<std::string> find_header_fault(const HttpHeaders& headers);

// ASCII only, as header names are.
[[nodiscard]] bool equal_without_case(std::string_view left, std::string_view right) noexcept;

}  // namespace nullspace::inline v0::transport
