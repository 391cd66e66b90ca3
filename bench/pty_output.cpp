// 64 MiB of terminal output through PtySession::wait(), beside a bare libwebsockets client that
// only counts the bytes of the messages and looks at none of them.
//
// Both read the same session commands from the same server in turns. Needs NULLSPACE_API_URL and
// NULLSPACE_API_KEY; `./dev bench` brings a server.
#include <libwebsockets.h>
#include <sys/resource.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <nullspace/nullspace.hpp>

#include "figures.hpp"

namespace ns = nullspace;

namespace {

constexpr std::size_t kBytes = std::size_t{64} << 20;
constexpr int kRounds = 5;

// No echo and no newline translation, so that the bytes are known; `exit` ends the session.
std::string script() {
  return fmt::format("stty raw -echo; head -c {} /dev/zero | tr '\\0' x; exit 0\n", kBytes);
}

double with_sdk(const ns::Sandbox& sandbox) {
  ns::PtySession session = sandbox.pty().create_session();
  const auto start = bench::Clock::now();
  session.send_input(script());
  std::size_t bytes = 0;
  const ns::PtyResult result =
      session.wait({.on_data = [&bytes](std::string_view data) { bytes += data.size(); }});
  const double seconds = bench::seconds_since(start);
  if (result.exit_code != 0 || bytes < kBytes) throw std::runtime_error("output is missing");
  return seconds;
}

// What the bare client knows of its connection.
struct Bare {
  std::string authorization;
  std::vector<std::string> to_send;
  std::size_t wire_bytes{0};
  bool exited{false};
  bool failed{false};
};

int on_event(lws* wsi, lws_callback_reasons reason, void* /*user*/, void* in, std::size_t length) {
  auto* bare = static_cast<Bare*>(lws_context_user(lws_get_context(wsi)));
  switch (reason) {
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER: {
      auto** position = static_cast<unsigned char**>(in);
      unsigned char* const end = *position + length;
      return lws_add_http_header_by_name(
          wsi, reinterpret_cast<const unsigned char*>("authorization:"),
          reinterpret_cast<const unsigned char*>(bare->authorization.data()),
          static_cast<int>(bare->authorization.size()), position, end);
    }
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
      lws_callback_on_writable(wsi);
      return 0;
    case LWS_CALLBACK_CLIENT_WRITEABLE: {
      if (bare->to_send.empty()) return 0;
      std::vector<unsigned char> frame(LWS_PRE + bare->to_send.front().size());
      std::memcpy(frame.data() + LWS_PRE, bare->to_send.front().data(),
                  bare->to_send.front().size());
      lws_write(wsi, frame.data() + LWS_PRE, bare->to_send.front().size(), LWS_WRITE_TEXT);
      bare->to_send.erase(bare->to_send.begin());
      if (!bare->to_send.empty()) lws_callback_on_writable(wsi);
      return 0;
    }
    case LWS_CALLBACK_CLIENT_RECEIVE: {
      bare->wire_bytes += length;
      // The end shows in the last bytes; everything before is only counted.
      const std::string_view piece(static_cast<const char*>(in), length);
      if (length < 512 && piece.find("pty_exited") != std::string_view::npos) bare->exited = true;
      return 0;
    }
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
      bare->failed = true;
      return 0;
    case LWS_CALLBACK_CLIENT_CLOSED:
      bare->failed = !bare->exited;
      return 0;
    default:
      return 0;
  }
}

double with_bare_libwebsockets(const ns::Sandbox& sandbox, const std::string& base_url,
                               const std::string& key) {
  // The session is made by the SDK, and attached to by the bare client, so that the latter needs no
  // parser.
  ns::PtySession session = sandbox.pty().create_session();
  const std::string id = session.session_id();
  session.disconnect();

  Bare bare;
  bare.authorization = "Bearer " + key;
  bare.to_send.push_back(fmt::format(R"({{"type":"pty_connect","id":"b","session_id":"{}"}})", id));
  std::string input;
  for (const char c : script()) {
    if (c == '\\' || c == '"') input += '\\';
    if (c == '\n') {
      input += "\\n";
    } else {
      input += c;
    }
  }
  bare.to_send.push_back(
      fmt::format(R"({{"type":"pty_input","id":"b","session_id":"{}","data":"{}"}})", id, input));

  const std::string authority = base_url.substr(base_url.find("://") + 3);
  const std::size_t colon = authority.rfind(':');
  const std::string host = authority.substr(0, colon);
  const std::string path = "/v1/sandboxes/" + sandbox.id() + "/ws?channel=pty";

  std::array<lws_protocols, 2> protocols{};
  protocols[0].name = "bench";
  protocols[0].callback = on_event;
  protocols[0].rx_buffer_size = 16384;
  lws_context_creation_info info{};
  info.port = CONTEXT_PORT_NO_LISTEN;
  info.protocols = protocols.data();
  info.user = &bare;
  info.pt_serv_buf_size = 65536;
  info.gid = static_cast<decltype(info.gid)>(-1);
  info.uid = static_cast<decltype(info.uid)>(-1);
  info.http_proxy_address = "";
  lws_context* context = lws_create_context(&info);
  if (context == nullptr) throw std::runtime_error("no libwebsockets context");
  lws_client_connect_info connect{};
  connect.context = context;
  connect.address = host.c_str();
  connect.port = std::stoi(authority.substr(colon + 1));
  connect.path = path.c_str();
  connect.host = authority.c_str();
  connect.origin = authority.c_str();
  connect.local_protocol_name = "bench";

  const auto start = bench::Clock::now();
  if (lws_client_connect_via_info(&connect) == nullptr) bare.failed = true;
  while (!bare.exited && !bare.failed)
    lws_service(context, 0);
  const double seconds = bench::seconds_since(start);
  lws_context_destroy(context);
  if (bare.failed) throw std::runtime_error("the bare connection failed");
  if (bare.wire_bytes < kBytes)
    throw std::runtime_error("output is missing on the bare connection");
  return seconds;
}

void row(const char* who, std::vector<double>& seconds) {
  const double mib = static_cast<double>(kBytes) / (1 << 20);
  fmt::print("{:<28} {:<22} median {:>6.1f} MiB/s   best {:>6.1f}   worst {:>6.1f}\n",
             "64 MiB of terminal output", who, mib / bench::quantile(seconds, 0.5),
             mib / bench::quantile(seconds, 0), mib / bench::quantile(seconds, 1));
}

}  // namespace

int main() try {
  lws_set_log_level(0, nullptr);
  const ns::Client client;
  const ns::ScopedSandbox sandbox = ns::Sandbox::create(client);
  const std::string key = std::getenv("NULLSPACE_API_KEY");
  std::vector<double> ours;
  std::vector<double> theirs;
  for (int round = 0; round < kRounds; ++round) {
    ours.push_back(with_sdk(*sandbox));
    theirs.push_back(with_bare_libwebsockets(*sandbox, client.base_url(), key));
  }
  row("nullspace", ours);
  row("bare libwebsockets", theirs);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  fmt::print("{:<28} {:<22} peak {} MiB\n", "memory of this process", "both",
             usage.ru_maxrss / 1024);
  return 0;
} catch (const std::exception& error) {
  fmt::print(stderr, "bench_pty_output: {}\n", error.what());
  return 1;
}
