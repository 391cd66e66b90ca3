#include "local/server/path_rules.hpp"

#include <filesystem>

namespace nullspace::local {

std::variant<std::string, ApiError> normalize_directory(std::string_view path) {
  constexpr std::string_view kReserved = "/workspace/.nullspace";
  if (!path.starts_with('/')) return invalid_request("cwd must be an absolute path");
  if (path.find('\0') != std::string_view::npos) {
    return invalid_request("cwd must not contain a NUL character");
  }
  std::string normal = std::filesystem::path(path).lexically_normal().string();
  while (normal.size() > 1 && normal.back() == '/')
    normal.pop_back();
  // Two leading slashes are one.
  if (normal.starts_with("//")) normal.erase(0, normal.find_first_not_of('/') - 1);
  const bool reserved = normal.starts_with(kReserved) &&
                        (normal.size() == kReserved.size() || normal[kReserved.size()] == '/');
  if (reserved) return invalid_request("cwd must not be under /workspace/.nullspace");
  return normal;
}

}  // namespace nullspace::local
