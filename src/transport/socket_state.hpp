// What the kernel knows of a TCP connection and the libraries above do not tell.
#pragma once

namespace nullspace::inline v0::transport {

// Whether the peer sent any byte so far.
[[nodiscard]] bool peer_has_spoken(int socket) noexcept;
// Whether both directions are still open: the peer has neither finished nor reset.
[[nodiscard]] bool is_fully_connected(int socket) noexcept;
// Whether the peer will send nothing more than what is on its way.
[[nodiscard]] bool peer_has_finished(int socket) noexcept;

}  // namespace nullspace::inline v0::transport
