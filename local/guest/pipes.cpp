#include "local/guest/pipes.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <utility>

namespace nullspace::local::guest {
namespace {

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

std::optional<Pipe> make_pipe() {
  std::array<int, 2> fds{};
  if (::pipe2(fds.data(), O_CLOEXEC) != 0) return std::nullopt;
  return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

bool set_non_blocking(const UniqueFd& fd) {
  const int flags = ::fcntl(fd.get(), F_GETFL);
  return flags >= 0 && ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) == 0;
}

}  // namespace

std::optional<StdioPipes> make_stdio_pipes() {
  auto in = make_pipe();
  if (!in) return std::nullopt;
  auto out = make_pipe();
  if (!out) return std::nullopt;
  auto err = make_pipe();
  if (!err) return std::nullopt;
  if (!set_non_blocking(in->write) || !set_non_blocking(out->read) ||
      !set_non_blocking(err->read)) {
    return std::nullopt;
  }
  StdioPipes pipes;
  pipes.stdin_write = std::move(in->write);
  pipes.stdout_read = std::move(out->read);
  pipes.stderr_read = std::move(err->read);
  pipes.child.stdin_fd = std::move(in->read);
  pipes.child.stdout_fd = std::move(out->write);
  pipes.child.stderr_fd = std::move(err->write);
  return pipes;
}

}  // namespace nullspace::local::guest
