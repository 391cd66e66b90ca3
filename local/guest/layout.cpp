#include "local/guest/layout.hpp"

#include <unistd.h>

#include <array>
#include <cctype>
#include <utility>

namespace nullspace::local::guest {
namespace {

constexpr std::size_t kMaxHostName = 64;

struct Mount {
  std::string_view inside;
  std::string_view directory;  // below the root
};

constexpr std::array<Mount, 4> kMounts{{
    {"/workspace", "workspace"},
    {"/home/user", "home"},
    {"/tmp", "tmp"},
    {"/var/tmp", "var_tmp"},
}};

std::string normalized(std::string_view path) {
  std::string absolute = "/";
  absolute += path;
  std::string text = std::filesystem::path(absolute).lexically_normal().string();
  while (text.size() > 1 && text.back() == '/')
    text.pop_back();
  return text;
}

}  // namespace

std::filesystem::path SandboxLayout::to_host(std::string_view sandbox_path) const {
  const std::string path = normalized(sandbox_path);
  for (const Mount& mount : kMounts) {
    if (path == mount.inside) return root / mount.directory;
    if (path.size() > mount.inside.size() && path.starts_with(mount.inside) &&
        path[mount.inside.size()] == '/') {
      return root / mount.directory / path.substr(mount.inside.size() + 1);
    }
  }
  return path;
}

std::string SandboxLayout::to_process(std::string_view sandbox_path) const {
  return isolated ? std::string(sandbox_path) : to_host(sandbox_path).string();
}

std::vector<std::string> SandboxLayout::base_environment() const {
  const bool has_bash = ::access("/bin/bash", X_OK) == 0;
  std::vector<std::string> environment{
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      "HOME=" + to_process("/home/user"),
      "USER=user",
      "LOGNAME=user",
      std::string("SHELL=") + (has_bash ? "/bin/bash" : "/bin/sh"),
      "LANG=C.UTF-8",
      "TMPDIR=" + to_process("/tmp"),
  };
  if (!isolated) environment.push_back(sandbox_marker(*this));
  return environment;
}

std::string sandbox_marker(const SandboxLayout& layout) {
  return "NULLSPACE_SANDBOX_ROOT=" + layout.root.string();
}

std::string host_name_of(std::string_view sandbox_id) {
  std::string name;
  for (const char c : sandbox_id.substr(0, kMaxHostName)) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0;
    // A host name has neither a hyphen at its ends nor any other punctuation.
    if (plain || !name.empty()) name += plain ? c : '-';
  }
  while (!name.empty() && name.back() == '-')
    name.pop_back();
  return name.empty() ? "sandbox" : name;
}

}  // namespace nullspace::local::guest
