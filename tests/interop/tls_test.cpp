// TLS of REST and of WebSockets, with good certificates and with every bad one: no byte of the key
// may leave.
#include <string>
#include <string_view>
#include <vector>

#include "tests/interop/stage.hpp"
#include "tests/support/catch.hpp"

using test::error_of;
using test::options_for;
using test::PythonPeer;
namespace ns = nullspace;

namespace {

void check_refused(PythonPeer& peer, const ns::ClientOptions& options) {
  ns::ClientOptions once = options;
  once.retry.websocket_open_retries = 0;
  const ns::Client client(once);
  const ns::Error rest = error_of([&] { return ns::Sandbox::find(client, "sb_1"); });
  CHECK(rest.kind() == ns::ErrorKind::transport);
  const ns::Error socket = error_of([&] { return ns::Monitor(client).subscribe(); });
  CHECK(socket.kind() == ns::ErrorKind::transport);
  CHECK_FALSE(client.is_healthy());
  // The peer met somebody, but it read no request, so no key.
  CHECK(peer.count("request") == 0);
}

}  // namespace

TEST_CASE("a certificate of the given authority is accepted on REST and WebSockets") {
  PythonPeer peer({"--tls", "good"});
  for (const char* host : {"127.0.0.1", "localhost"}) {
    CAPTURE(host);
    ns::ClientOptions options = options_for(peer);
    options.base_url = peer.url_at(host);
    options.tls.ca_file = peer.ca_file();
    const ns::Client client(options);
    CHECK(client.is_healthy());
    const ns::Sandbox sandbox = ns::Sandbox::create(client);
    CHECK(sandbox.commands().run("say rest").stdout_text == "rest\n");
    std::string heard;
    const ns::CommandResult result = sandbox.commands().run(
        "say socket", {.on_stdout = [&](std::string_view text) { heard += text; }});
    CHECK(result.exit_code == 0);
    CHECK(heard == "socket\n");
    // Large enough for many TLS records.
    CHECK(sandbox.commands()
              .run("play frame 5000000", {.on_stdout = [](std::string_view) {}})
              .stdout_text.size() == 5'000'000);
    ns::PtySession session = sandbox.pty().create_session();
    session.send_input("exit 3\n");
    CHECK(session.wait({.timeout = std::chrono::seconds{30}}).exit_code == 3);
  }
}

TEST_CASE("a certificate of an unknown authority is refused") {
  PythonPeer peer({"--tls", "good"});
  ns::ClientOptions options = options_for(peer);
  SECTION("when another one was given") {
    options.tls.ca_file = peer.other_ca_file();
    check_refused(peer, options);
  }
  SECTION("when none was given") {
    check_refused(peer, options);
  }
}

TEST_CASE("bad certificates of a known authority are refused") {
  for (const char* kind : {"wrong-host", "expired", "not-yet-valid", "self-signed"}) {
    CAPTURE(kind);
    PythonPeer peer({"--tls", kind});
    for (const char* host : {"127.0.0.1", "localhost"}) {
      ns::ClientOptions options = options_for(peer);
      options.base_url = peer.url_at(host);
      options.tls.ca_file = peer.ca_file();
      check_refused(peer, options);
    }
  }
}

TEST_CASE("a good certificate for another address is refused") {
  PythonPeer peer({"--tls", "good", "--host", "0.0.0.0"});
  ns::ClientOptions options = options_for(peer);
  options.base_url = peer.url_at("127.0.0.2");
  options.tls.ca_file = peer.ca_file();
  check_refused(peer, options);
}

TEST_CASE("a server that speaks only TLS 1.1 is refused") {
  PythonPeer peer({"--tls", "old-protocol"});
  ns::ClientOptions options = options_for(peer);
  options.tls.ca_file = peer.ca_file();
  check_refused(peer, options);
}

TEST_CASE("a server that does not speak TLS is refused") {
  PythonPeer peer;
  ns::ClientOptions options = options_for(peer);
  options.base_url = "https://127.0.0.1:" + std::to_string(peer.port());
  check_refused(peer, options);
  CHECK(peer.count("not_http") >= 2);
}

TEST_CASE("verification can be switched off, for both at once") {
  PythonPeer peer({"--tls", "self-signed"});
  ns::ClientOptions options = options_for(peer);
  options.tls.verify = false;
  const ns::Client client(options);
  const ns::Sandbox sandbox = ns::Sandbox::create(client);
  std::string heard;
  (void)sandbox.commands().run("say on",
                               {.on_stdout = [&](std::string_view text) { heard += text; }});
  CHECK(heard == "on\n");
}
