/// @file
/// The two generations of the service.
#pragma once

namespace nullspace::inline v0 {

/// Which generation of the service a Client speaks to. They differ by a noun in paths and JSON
/// keys. Readers accept both spellings always; this chooses what is written.
enum class Dialect {
  sandbox,  ///< `/v1/sandboxes`, ids `sb_...`. The default.
  machine   ///< `/v1/machines`, ids `mch_...`.
};

}  // namespace nullspace::inline v0
