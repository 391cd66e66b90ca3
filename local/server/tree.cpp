#include "local/server/tree.hpp"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

namespace nullspace::local {

namespace {

constexpr int kOpenDirectories = 32;
constexpr std::uint64_t kBlock = 512;

int make_enterable(const char* path, const struct stat* info, int type, struct FTW* /*where*/) {
  if ((type == FTW_D || type == FTW_DNR) && (info->st_mode & S_IRWXU) != S_IRWXU) {
    chmod(path, S_IRWXU);
  }
  return 0;
}

int remove_entry(const char* path, const struct stat* /*info*/, int /*type*/,
                 struct FTW* /*where*/) {
  remove(path);
  return 0;
}

}  // namespace

void remove_tree(const std::filesystem::path& root) {
  // Each look opens one level more of what was closed; nearly always the first removal does it.
  for (int round = 0; round < 64; ++round) {
    nftw(root.c_str(), remove_entry, kOpenDirectories, FTW_DEPTH | FTW_PHYS);
    struct stat info {};
    if (lstat(root.c_str(), &info) != 0) return;
    nftw(root.c_str(), make_enterable, kOpenDirectories, FTW_PHYS);
  }
}

std::uint64_t measure_tree(const std::filesystem::path& root) {
  static thread_local std::uint64_t total = 0;
  total = 0;
  nftw(
      root.c_str(),
      [](const char* /*path*/, const struct stat* info, int type, struct FTW* /*where*/) {
        if (type != FTW_NS) total += static_cast<std::uint64_t>(info->st_blocks) * kBlock;
        return 0;
      },
      kOpenDirectories, FTW_PHYS | FTW_MOUNT);
  return total > 0 ? total : kBlock;
}

}  // namespace nullspace::local
