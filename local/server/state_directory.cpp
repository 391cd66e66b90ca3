#include "local/server/state_directory.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>

#include "local/server/tree.hpp"

namespace nullspace::local {

namespace {

constexpr const char* kLockFile = "nullspace-local.lock";
constexpr const char* kSandboxes = "sandboxes";

std::string failure(const std::filesystem::path& path, int error) {
  return path.string() + ": " + std::generic_category().message(error);
}

}  // namespace

std::string StateDirectory::open(const std::filesystem::path& wanted) {
  std::error_code error;
  if (wanted.empty()) {
    std::string pattern =
        (std::filesystem::temp_directory_path(error) / "nullspace-local-XXXXXX").string();
    if (error) return "$TMPDIR: " + error.message();
    if (::mkdtemp(pattern.data()) == nullptr) return failure(pattern, errno);
    path_ = pattern;
    made_ = true;
  } else {
    path_ = std::filesystem::absolute(wanted, error);
    if (error) return failure(wanted, error.value());
    if (path_.has_relative_path() && !path_.has_filename()) path_ = path_.parent_path();
    std::filesystem::create_directories(path_.parent_path(), error);
    if (error) return failure(path_.parent_path(), error.value());
    made_ = ::mkdir(path_.c_str(), S_IRWXU) == 0;
    if (!made_ && errno != EEXIST) return failure(path_, errno);
  }
  const std::filesystem::path lock = path_ / kLockFile;
  lock_.reset(::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR));
  if (!lock_) return failure(lock, errno);
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    lock_.reset();
    made_ = false;
    return path_.string() + " is used by another server";
  }
  const std::filesystem::path sandboxes = path_ / kSandboxes;
  remove_tree(sandboxes);
  if (::mkdir(sandboxes.c_str(), S_IRWXU) != 0) return failure(sandboxes, errno);
  return {};
}

void StateDirectory::remove() {
  if (!lock_) return;
  remove_tree(path_ / kSandboxes);
  ::unlink((path_ / kLockFile).c_str());
  if (made_) ::rmdir(path_.c_str());
  lock_.reset();
}

}  // namespace nullspace::local
