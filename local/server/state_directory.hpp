#pragma once

#include <filesystem>
#include <string>

#include "local/guest/unique_fd.hpp"

namespace nullspace::local {

// Where the trees of the sandboxes are. Belongs to one server at a time; what the last one left
// behind because it was killed is removed.
class StateDirectory {
 public:
  StateDirectory() = default;
  ~StateDirectory() { remove(); }
  StateDirectory(const StateDirectory&) = delete;
  StateDirectory& operator=(const StateDirectory&) = delete;

  // With an empty path a fresh directory is made. "" or what went wrong.
  std::string open(const std::filesystem::path& wanted);
  // Removes what open() made.
  void remove();
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  bool made_ = false;
  guest::UniqueFd lock_;
};

}  // namespace nullspace::local
