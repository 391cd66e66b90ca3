#include <nullspace/version.hpp>

#include <fmt/format.h>

#include "api/throw.hpp"

namespace nullspace::inline v0 {

std::string_view library_version() noexcept {
  static_assert(kVersionMajor == 0 && kVersionMinor == 1 && kVersionPatch == 0,
                "the text below must say the same");
  return "0.1.0";
}

void check_library_version(int header_major, int header_minor) {
  if (header_major == kVersionMajor && header_minor == kVersionMinor) return;
  ErrorInfo info;
  info.kind = ErrorKind::invalid_request;
  info.code = "version_mismatch";
  info.message = fmt::format(
      "the program was compiled with nullspace {}.{} headers but runs with library {}; rebuild it, "
      "or install the "
      "matching library",
      header_major, header_minor, library_version());
  throw_error(std::move(info));
}

}  // namespace nullspace::inline v0
