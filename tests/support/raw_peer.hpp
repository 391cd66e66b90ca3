// A server that does exactly what a test tells it, right or wrong: raw bytes over TCP or TLS, HTTP
// and WebSocket by hand.
#pragma once

#include <openssl/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

namespace nullspace::tests {

// Certificate chain and key, PEM files.
struct TlsIdentity {
  std::string certificate_file{};
  std::string key_file{};
};

enum class Opcode : unsigned char {
  continuation = 0,
  text = 1,
  binary = 2,
  close = 8,
  ping = 9,
  pong = 10
};

struct RawFrame {
  Opcode opcode{Opcode::text};
  bool final{true};
  std::string payload{};

  // Of a close frame; 1005 when it has none.
  [[nodiscard]] int close_code() const;
};

// One accepted connection. Reads wait at most ten seconds: a guard against hanging, never a part of
// a test's meaning.
class RawConnection {
 public:
  RawConnection(int socket, SSL_CTX* tls);
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;
  ~RawConnection();

  // Empty optional: closed (or reset) before that much arrived.
  [[nodiscard]] std::optional<std::string> read_exactly(std::size_t size);
  [[nodiscard]] std::optional<std::string> read_through(std::string_view marker);
  // Head and, by Content-Length, body of a request.
  [[nodiscard]] std::optional<std::string> read_request();
  // Everything until the other side closes.
  std::string read_to_end();
  // Waits until the other side closes or resets, dropping what it sends.
  void wait_for_end() { (void)read_to_end(); }

  // false when the other side is gone.
  bool write(std::string_view bytes);
  void answer(int status, std::string_view body, std::string_view headers = {});
  void finish_writing();
  // Ends with RST instead of FIN.
  void reset();
  void close();
  // Kernel buffers of the given size, so that backpressure is felt early.
  void set_receive_buffer(int bytes) const;

  // Reads the upgrade request and accepts it. Gives its head, or nothing when there was none.
  [[nodiscard]] std::optional<std::string> accept_websocket();
  bool send_frame(Opcode opcode, std::string_view payload, bool final = true);
  // First byte as given; masked as only clients should.
  bool send_odd_frame(unsigned char first_byte, std::string_view payload, bool masked = false);
  bool send_close(int code, std::string_view reason = {});
  // Unmasked. Nothing when the connection ends.
  [[nodiscard]] std::optional<RawFrame> read_frame();
  // The next frame that is neither ping nor pong.
  [[nodiscard]] std::optional<RawFrame> read_data_frame();

  // Ends pending reads and writes, from another thread.
  void interrupt() const;
  [[nodiscard]] bool is_open() const noexcept { return socket_ >= 0; }

 private:
  // Bytes into the buffer; false at the end.
  bool fill();
  void shut(bool reset);

  // Held while the descriptor is used by interrupt() or given back, so that its number is not
  // somebody else's by then.
  mutable std::mutex closing_;
  std::atomic<int> socket_;
  SSL* ssl_{nullptr};
  std::string buffer_;
};

// Listens on a free port of 127.0.0.1 (or ::1) and runs the script for each connection in a thread
// of its own. Destroying it ends all connections and waits for the scripts.
class RawPeer {
 public:
  using Script = std::function<void(RawConnection&)>;
  struct Options {
    std::optional<TlsIdentity> tls{};
    bool ipv6{false};
    // false: connections stay in the kernel's queue, as with a hung server.
    bool accept{true};
  };

  explicit RawPeer(Script script);
  RawPeer(Script script, Options options);
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;
  ~RawPeer();

  [[nodiscard]] int port() const noexcept { return port_; }
  // `scheme://127.0.0.1:port/path` (`[::1]` with ipv6).
  [[nodiscard]] std::string url(std::string_view scheme, std::string_view path = "/") const;
  [[nodiscard]] int connections() const noexcept { return connections_; }

 private:
  struct Served {
    std::unique_ptr<RawConnection> connection;
    std::thread thread;
  };
  void accept_loop();

  Script script_;
  Options options_;
  int listener_{-1};
  int port_{0};
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> tls_;
  std::atomic<int> connections_{0};
  std::mutex mutex_;
  std::list<Served> served_;
  std::thread acceptor_;
};

// A port of 127.0.0.1 on which nobody listens.
[[nodiscard]] int refusing_port();

}  // namespace nullspace::tests
