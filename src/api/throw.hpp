// The one place where a failed result becomes an exception.
#pragma once

#include <utility>

#include <nullspace/error.hpp>

#include "support/result.hpp"

namespace nullspace::inline v0 {

[[noreturn]] void throw_error(ErrorInfo info);

// The value, or its error thrown.
template <typename T>
T value_or_throw(support::Result<T> result) {
  if (!result.ok()) throw_error(std::move(result).error());
  return std::move(result).value();
}

inline void value_or_throw(support::Result<void> result) {
  if (!result.ok()) throw_error(std::move(result).error());
}

}  // namespace nullspace::inline v0
