// usage: conformance_echo_server
//
// The HTTP and WebSocket code of nullspace-local with a handler that sends back what it gets, for a
// fuzzing client to examine: none of the server's channels does that. Prints its address and ends
// with its standard input.
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "local/server/event_loop.hpp"
#include "local/server/faults/fault_book.hpp"
#include "local/server/listener.hpp"
#include "local/server/service_clock.hpp"

namespace local = nullspace::local;

namespace {

class Echo final : public local::WebSocketHandler {
 public:
  void on_open(std::shared_ptr<local::WebSocketSession> session) override {
    session_ = std::move(session);
  }
  void on_message(std::string payload, bool binary) override {
    if (binary) {
      session_->send_binary(std::move(payload));
    } else {
      session_->send(std::move(payload));
    }
    if (session_->congested()) session_->pause_reading(true);
  }
  void on_drain() override { session_->pause_reading(false); }
  void on_closed() override { session_.reset(); }

 private:
  std::shared_ptr<local::WebSocketSession> session_;
};

}  // namespace

int main() try {
  const auto loop = local::EventLoop::create();
  if (!loop) throw std::runtime_error("no event loop");
  local::HttpHandlers handlers;
  handlers.on_request = [](const local::HttpRequest&, const local::Responder& responder) {
    responder.accept_websocket(std::make_shared<Echo>());
  };
  handlers.on_malformed = [](const local::HttpFailure& failure) {
    local::HttpResponse refusal;
    refusal.status = failure.status;
    return refusal;
  };
  // No pings: the cases count the frames they get.
  local::ServiceClock clock(*loop, local::ServiceClock::Mode::real);
  local::FaultBook faults;
  local::Listener listener({*loop, clock, faults, local::Clock::duration::zero()},
                           std::move(handlers));
  std::string error;
  if (listener.open("127.0.0.1", 0, error) != 0) throw std::runtime_error(error);
  listener.start();
  const local::FdWatch input(*loop, STDIN_FILENO, {.read = true, .write = false},
                             [&loop](local::Readiness) { loop->stop(); });
  std::printf("ws://127.0.0.1:%d\n", listener.port());
  (void)std::fflush(stdout);
  loop->run();
  listener.close();
  listener.abort();
  return 0;
} catch (const std::exception& error) {
  (void)std::fprintf(stderr, "conformance_echo_server: %s\n", error.what());
  return 1;
}
