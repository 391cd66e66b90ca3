/// @file
/// Symbol visibility. Everything public carries `NULLSPACE_EXPORT`; all other symbols of the
/// library are hidden.
#pragma once

#if defined(__GNUC__)
#define NULLSPACE_EXPORT __attribute__((visibility("default")))
#else
#define NULLSPACE_EXPORT
#endif
