#include "local/guest/sandbox_tree.hpp"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <optional>
#include <utility>

#include "local/guest/bubblewrap.hpp"

namespace nullspace::local::guest {
namespace {

namespace fs = std::filesystem;

std::error_code last_error() {
  return {errno, std::generic_category()};
}

std::optional<TreeError> make_directory(const fs::path& path, fs::perms mode,
                                        const SandboxLayout& layout) {
  std::error_code error;
  const bool made = fs::create_directories(path, error);
  if (error) return TreeError{path, error};
  if (!made) return std::nullopt;
  fs::permissions(path, mode, error);
  if (error) return TreeError{path, error};
  const bool foreign = layout.owner_uid != ::geteuid() || layout.owner_gid != ::getegid();
  if (foreign && ::chown(path.c_str(), layout.owner_uid, layout.owner_gid) != 0) {
    return TreeError{path, last_error()};
  }
  return std::nullopt;
}

std::optional<TreeError> write_text(const fs::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (!file) return TreeError{path, std::make_error_code(std::errc::io_error)};
  std::error_code error;
  fs::permissions(path, static_cast<fs::perms>(0644), error);
  if (error) return TreeError{path, error};
  return std::nullopt;
}

std::string host_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!text.empty() && text.back() != '\n') text += '\n';
  return text;
}

std::optional<TreeError> write_etc(const SandboxLayout& layout, const std::string& host_name) {
  const std::string shell = ::access("/bin/bash", X_OK) == 0 ? "/bin/bash" : "/bin/sh";
  const std::string uid = std::to_string(kInnerUid);
  const std::string gid = std::to_string(kInnerGid);
  const std::array<std::pair<const char*, std::string>, 4> files{{
      {"passwd", "root:x:0:0:root:/root:" + shell + "\nuser:x:" + uid + ":" + gid +
                     ":user:/home/user:" + shell +
                     "\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"},
      {"group", "root:x:0:\ntty:x:5:\nuser:x:" + gid + ":\nnogroup:x:65534:\n"},
      {"hostname", host_name + "\n"},
      // A program that looks up its own host name must not wait for the network.
      {"hosts", host_text("/etc/hosts") + "127.0.1.1 " + host_name + "\n"},
  }};
  for (const auto& [name, text] : files) {
    if (auto error = write_text(layout.etc() / name, text)) return error;
  }
  return std::nullopt;
}

}  // namespace

std::variant<SandboxLayout, TreeError> make_sandbox_tree(const fs::path& root,
                                                         const std::string& host_name,
                                                         IsolationMethod method) {
  SandboxLayout layout;
  layout.isolated = method != IsolationMethod::none;
  layout.owner_uid = owner_uid_of(method);
  layout.owner_gid = owner_gid_of(method);

  std::error_code error;
  fs::create_directories(root, error);
  if (!error) layout.root = fs::canonical(root, error);
  if (error) return TreeError{root, error};

  constexpr auto kOwn = static_cast<fs::perms>(0755);
  constexpr auto kShared = static_cast<fs::perms>(01777);
  const std::array<std::pair<fs::path, fs::perms>, 4> directories{{
      {layout.workspace(), kOwn},
      {layout.home(), kOwn},
      {layout.tmp(), kShared},
      {layout.var_tmp(), kShared},
  }};
  for (const auto& [path, mode] : directories) {
    if (auto failed = make_directory(path, mode, layout)) return *failed;
  }
  fs::create_directories(layout.etc(), error);
  if (error) return TreeError{layout.etc(), error};
  if (auto failed = write_etc(layout, host_name)) return *failed;
  return layout;
}

}  // namespace nullspace::local::guest
