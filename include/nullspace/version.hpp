/// @file
/// The library's version, and the check that header and binary belong together.
#pragma once

#include <string_view>

#include <nullspace/export.hpp>

/// Everything the SDK offers. The inline namespace `v0` is part of the mangled names: 0.x promises
/// no binary compatibility between minor versions, and two minors can live in one process without
/// mixing.
namespace nullspace::inline v0 {

/// Version of the headers this translation unit was compiled with.
inline constexpr int kVersionMajor = 0;
inline constexpr int kVersionMinor = 1;
inline constexpr int kVersionPatch = 0;

/// Version of the library binary that is loaded, for example `"0.1.0"`. Never blocks, never throws.
[[nodiscard]] NULLSPACE_EXPORT std::string_view library_version() noexcept;

/// Throws Error (`version_mismatch`) when the loaded binary is of another minor version than the
/// headers. Every Client calls it, so an application rarely needs to.
NULLSPACE_EXPORT void check_library_version(int header_major = kVersionMajor,
                                            int header_minor = kVersionMinor);

}  // namespace nullspace::inline v0
