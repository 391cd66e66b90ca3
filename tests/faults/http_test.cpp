// REST against servers that misbehave.
#include <atomic>
#include <chrono>
#include <future>
#include <stop_token>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/support/raw_peer.hpp"
#include "transport/curl_http.hpp"

using namespace std::chrono_literals;
using nullspace::HttpOutcome;
using nullspace::HttpRequest;
using nullspace::HttpResponse;
using nullspace::TransportFailure;
using nullspace::TransportFailureKind;
using nullspace::tests::RawConnection;
using nullspace::tests::RawPeer;
using nullspace::tests::refusing_port;
namespace transport = nullspace::transport;
using Kind = TransportFailureKind;

namespace {

// Guards against hanging; no test waits for it.
constexpr auto kGuard = 20'000ms;

HttpRequest request_to(const RawPeer& peer, std::string method = "GET") {
  HttpRequest request;
  request.method = std::move(method);
  request.url = peer.url("http", "/v1/things");
  request.timeout = kGuard;
  return request;
}

TransportFailure failure_of(const HttpOutcome& outcome) {
  if (const auto* failure = std::get_if<TransportFailure>(&outcome)) return *failure;
  TransportFailure none;
  none.message = "no failure: status " + std::to_string(std::get<HttpResponse>(outcome).status);
  return none;
}

HttpResponse response_of(const HttpOutcome& outcome) {
  if (const auto* response = std::get_if<HttpResponse>(&outcome)) return *response;
  HttpResponse none;
  none.body = "failed: " + std::get<TransportFailure>(outcome).message;
  return none;
}

RawPeer::Script answering(std::string bytes) {
  return [bytes = std::move(bytes)](RawConnection& connection) {
    if (connection.read_request()) connection.write(bytes);
  };
}

}  // namespace

TEST_CASE("HTTP: a request and its answer arrive as they are") {
  std::promise<std::string> seen;
  RawPeer peer([&](RawConnection& connection) {
    seen.set_value(connection.read_request().value_or("nothing"));
    connection.answer(201, "{\"ok\":true}", "X-Request-Id: req_1\r\nX-Blank:   \r\n");
  });
  transport::CurlHttpTransport http({});
  HttpRequest request = request_to(peer, "POST");
  request.headers = {
      {"Authorization", "Bearer ns_live_x"}, {"Content-Type", "application/json"}, {"X-Empty", ""}};
  request.body = "{\"a\":1}";
  const HttpResponse response = response_of(http.send(request));
  CHECK(response.status == 201);
  CHECK(response.body == "{\"ok\":true}");
  CHECK(response.header("x-request-id") == "req_1");
  CHECK(response.header("X-Blank") == "");
  CHECK_FALSE(response.header("x-none"));

  const std::string text = seen.get_future().get();
  CHECK(text.starts_with("POST /v1/things HTTP/1.1\r\n"));
  CHECK(text.find("\r\nAuthorization: Bearer ns_live_x\r\n") != std::string::npos);
  CHECK(text.find("\r\nX-Empty:\r\n") != std::string::npos);
  CHECK(text.find("\r\nContent-Length: 7\r\n") != std::string::npos);
  CHECK(text.find("Expect:") == std::string::npos);
  CHECK(text.ends_with("\r\n\r\n{\"a\":1}"));
}

TEST_CASE("HTTP: every method writes what it should about its body") {
  struct Case {
    const char* method;
    const char* body;
    const char* length;
  };
  const auto [method, body, length] =
      GENERATE(Case{"GET", "", nullptr}, Case{"DELETE", "", nullptr}, Case{"POST", "", "0"},
               Case{"PUT", "", "0"}, Case{"PATCH", "{}", "2"}, Case{"PUT", "xyz", "3"},
               Case{"DELETE", "{}", "2"}, Case{"HEAD", "", nullptr});
  CAPTURE(method, body);
  std::promise<std::string> seen;
  RawPeer peer([&](RawConnection& connection) {
    seen.set_value(connection.read_request().value_or("nothing"));
    connection.write("HTTP/1.1 204 No Content\r\n\r\n");
  });
  transport::CurlHttpTransport http({});
  HttpRequest request = request_to(peer, method);
  request.body = body;
  CHECK(response_of(http.send(request)).status == 204);
  const std::string text = seen.get_future().get();
  CHECK(text.starts_with(std::string(method) + " /v1/things HTTP/1.1\r\n"));
  CHECK(text.ends_with(std::string("\r\n\r\n") + body));
  CHECK(text.find("Content-Type") == std::string::npos);
  if (length == nullptr) {
    CHECK(text.find("Content-Length") == std::string::npos);
  } else {
    CHECK(text.find(std::string("\r\nContent-Length: ") + length + "\r\n") != std::string::npos);
  }
}

TEST_CASE("HTTP: what cannot be written down is refused before a connection is made") {
  RawPeer peer([](RawConnection& connection) { connection.wait_for_end(); });
  transport::CurlHttpTransport http({});
  HttpRequest request = request_to(peer);
  using namespace std::string_literals;
  const int which = GENERATE(range(0, 12));
  CAPTURE(which);
  switch (which) {
    case 0:
      request.headers = {{"Authorization", "Bearer secret\r\nX-Evil: 1"}};
      break;
    case 1:
      request.headers = {{"Authorization", "Bearer secret\nX"}};
      break;
    case 2:
      request.headers = {{"Authorization", "Bearer secret\0"s}};
      break;
    case 3:
      request.headers = {{"X-Evil\r\nY", "1"}};
      break;
    case 4:
      request.headers = {{"", "1"}};
      break;
    case 5:
      request.url += "\r\nX-Evil: 1";
      break;
    case 6:
      request.url += " HTTP/1.1";
      break;
    case 7:
      request.url += "\0x"s;
      break;
    case 8:
      request.method = "GET / HTTP/1.1\r\nX:";
      break;
    case 9:
      request.url = "ftp://127.0.0.1:" + std::to_string(peer.port()) + "/";
      break;
    case 10:
      request.url = "http://key:secret@127.0.0.1:" + std::to_string(peer.port()) + "/";
      break;
    default:
      request.headers = {{"Content-Length", "999"}};
      break;
  }
  const TransportFailure failure = failure_of(http.send(request));
  CHECK(failure.kind == Kind::invalid_request);
  CHECK(failure.message.find("secret") == std::string::npos);
  CHECK(peer.connections() == 0);
}

TEST_CASE("HTTP: nobody listens") {
  transport::CurlHttpTransport http({});
  HttpRequest request;
  request.url = "http://127.0.0.1:" + std::to_string(refusing_port()) + "/";
  CHECK(failure_of(http.send(request)).kind == Kind::connect);
}

TEST_CASE("HTTP: a name that does not exist") {
  transport::CurlHttpTransport http({});
  HttpRequest request;
  request.url = "http://no-such-host.invalid/";
  CHECK(failure_of(http.send(request)).kind == Kind::resolve);
}

TEST_CASE("HTTP: a server that hangs up instead of answering") {
  transport::CurlHttpTransport http({});
  SECTION("at once") {
    RawPeer peer([](RawConnection&) {});
    const Kind kind = failure_of(http.send(request_to(peer, "POST"))).kind;
    CHECK((kind == Kind::receive || kind == Kind::send));
  }
  SECTION("after the request") {
    RawPeer peer([](RawConnection& connection) { (void)connection.read_request(); });
    CHECK(failure_of(http.send(request_to(peer, "POST"))).kind == Kind::receive);
  }
  SECTION("with a reset") {
    RawPeer peer([](RawConnection& connection) {
      (void)connection.read_request();
      connection.reset();
    });
    CHECK(failure_of(http.send(request_to(peer, "POST"))).kind == Kind::receive);
  }
  SECTION("in the middle of the head") {
    RawPeer peer(answering("HTTP/1.1 200 OK\r\nContent-Le"));
    CHECK(failure_of(http.send(request_to(peer))).kind == Kind::receive);
  }
  SECTION("in the middle of the body") {
    RawPeer peer(answering("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"));
    CHECK(failure_of(http.send(request_to(peer))).kind == Kind::receive);
  }
  SECTION("in the middle of a chunk") {
    RawPeer peer(answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100\r\nhalf"));
    CHECK(failure_of(http.send(request_to(peer))).kind == Kind::receive);
  }
  SECTION("between chunks") {
    RawPeer peer(answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"));
    CHECK(failure_of(http.send(request_to(peer))).kind == Kind::receive);
  }
}

TEST_CASE("HTTP: a server that does not speak HTTP") {
  transport::CurlHttpTransport http({});
  RawPeer peer(answering("SSH-2.0-OpenSSH_9.2\r\n"));
  CHECK(failure_of(http.send(request_to(peer))).kind == Kind::protocol);
}

TEST_CASE("HTTP: an answer that says it is compressed and is not") {
  transport::CurlHttpTransport http({});
  RawPeer peer(
      answering("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello"));
  const Kind kind = failure_of(http.send(request_to(peer))).kind;
  CHECK((kind == Kind::protocol || kind == Kind::receive));
}

TEST_CASE("HTTP: redirects are answers like others") {
  RawPeer elsewhere([](RawConnection& connection) { connection.wait_for_end(); });
  RawPeer peer([&](RawConnection& connection) {
    (void)connection.read_request();
    connection.answer(302, "", "Location: " + elsewhere.url("http") + "\r\n");
  });
  transport::CurlHttpTransport http({});
  HttpRequest request = request_to(peer);
  request.headers = {{"Authorization", "Bearer ns_live_x"}};
  const HttpResponse response = response_of(http.send(request));
  CHECK(response.status == 302);
  CHECK(response.header("Location") == elsewhere.url("http"));
  CHECK(elsewhere.connections() == 0);
}

TEST_CASE("HTTP: interim answers are passed over") {
  RawPeer peer(
      answering("HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\nHTTP/1.1 200 OK\r\nX-Late: "
                "2\r\nContent-Length: 2\r\n\r\nok"));
  transport::CurlHttpTransport http({});
  const HttpResponse response = response_of(http.send(request_to(peer)));
  CHECK(response.status == 200);
  CHECK(response.body == "ok");
  CHECK(response.header("X-Late") == "2");
  CHECK_FALSE(response.header("X-Early"));
}

TEST_CASE("HTTP: an HTML error page is handed over whole") {
  RawPeer peer([](RawConnection& connection) {
    (void)connection.read_request();
    connection.answer(502, "<html>Bad gateway</html>", "Content-Type: text/html\r\n");
  });
  transport::CurlHttpTransport http({});
  const HttpResponse response = response_of(http.send(request_to(peer)));
  CHECK(response.status == 502);
  CHECK(response.body == "<html>Bad gateway</html>");
}

TEST_CASE("HTTP: answers above the limit end the call") {
  transport::CurlHttpTransport http({});
  const std::string_view head =
      GENERATE("HTTP/1.1 200 OK\r\nContent-Length: 100001\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n");
  RawPeer peer([head](RawConnection& connection) {
    (void)connection.read_request();
    connection.write(std::string(head) + std::string(100'001, 'x'));
  });
  HttpRequest request = request_to(peer);
  request.max_response_bytes = 100'000;
  CHECK(failure_of(http.send(request)).kind == Kind::too_large);
  request.max_response_bytes = 100'001;
  CHECK(response_of(http.send(request)).body.size() == 100'001);
}

TEST_CASE("HTTP: headers without end do not fill the memory") {
  RawPeer peer([](RawConnection& connection) {
    (void)connection.read_request();
    connection.write("HTTP/1.1 200 OK\r\n");
    const std::string line = "X-Filler: " + std::string(1'000, 'x') + "\r\n";
    for (int i = 0; i < 10'000; ++i) {
      if (!connection.write(line)) return;
    }
  });
  transport::CurlHttpTransport http({});
  const Kind kind = failure_of(http.send(request_to(peer))).kind;
  CHECK((kind == Kind::too_large || kind == Kind::protocol));
}

TEST_CASE("HTTP: the total deadline ends a call wherever it stalls") {
  transport::CurlHttpTransport http({});
  const std::string_view said =
      GENERATE("", "HTTP/1.1 200 OK\r\nContent-", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",
               "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
               "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n");
  CAPTURE(said);
  RawPeer peer([said](RawConnection& connection) {
    (void)connection.read_request();
    connection.write(said);
    connection.wait_for_end();
  });
  HttpRequest request = request_to(peer);
  request.timeout = 100ms;
  const auto begun = std::chrono::steady_clock::now();
  CHECK(failure_of(http.send(request)).kind == Kind::timeout);
  CHECK(std::chrono::steady_clock::now() - begun >= 100ms);
}

TEST_CASE("HTTP: the total deadline ends a slow drip") {
  RawPeer peer([](RawConnection& connection) {
    (void)connection.read_request();
    connection.write("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
    while (connection.write("x"))
      std::this_thread::sleep_for(1ms);
  });
  transport::CurlHttpTransport http({});
  HttpRequest request = request_to(peer);
  request.timeout = 150ms;
  CHECK(failure_of(http.send(request)).kind == Kind::timeout);
}

TEST_CASE("HTTP: the connection has a deadline of its own") {
  // A server that never accepts: TLS is asked for, and nothing answers.
  RawPeer peer([](RawConnection&) {}, {.tls = {}, .ipv6 = false, .accept = false});
  transport::CurlHttpTransport http({});
  HttpRequest request;
  request.url = peer.url("https");
  request.connect_timeout = 100ms;
  request.timeout = kGuard;
  CHECK(failure_of(http.send(request)).kind == Kind::connect_timeout);
}

TEST_CASE("HTTP: a stop_token ends a call") {
  transport::CurlHttpTransport http({});
  SECTION("before it begins") {
    RawPeer peer([](RawConnection& connection) { connection.wait_for_end(); });
    std::stop_source stop;
    stop.request_stop();
    HttpRequest request = request_to(peer);
    request.stop = stop.get_token();
    CHECK(failure_of(http.send(request)).kind == Kind::cancelled);
    CHECK(peer.connections() == 0);
  }
  SECTION("while the server says nothing") {
    std::stop_source stop;
    RawPeer peer([&](RawConnection& connection) {
      (void)connection.read_request();
      stop.request_stop();
      connection.wait_for_end();
    });
    HttpRequest request = request_to(peer);
    request.stop = stop.get_token();
    request.timeout = 0ms;
    CHECK(failure_of(http.send(request)).kind == Kind::cancelled);
  }
  SECTION("in the middle of the body") {
    std::stop_source stop;
    RawPeer peer([&](RawConnection& connection) {
      (void)connection.read_request();
      connection.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
      stop.request_stop();
      connection.wait_for_end();
    });
    HttpRequest request = request_to(peer);
    request.stop = stop.get_token();
    CHECK(failure_of(http.send(request)).kind == Kind::cancelled);
  }
  SECTION("and the next call is not touched by it") {
    std::stop_source stop;
    RawPeer peer([&](RawConnection& connection) {
      (void)connection.read_request();
      if (stop.request_stop()) return connection.wait_for_end();
      connection.answer(200, "fine");
    });
    HttpRequest request = request_to(peer);
    request.stop = stop.get_token();
    CHECK(failure_of(http.send(request)).kind == Kind::cancelled);
    CHECK(response_of(http.send(request_to(peer))).body == "fine");
  }
}

TEST_CASE("HTTP: connections are kept and used again") {
  RawPeer peer([](RawConnection& connection) {
    while (connection.read_request())
      connection.answer(200, "ok");
  });
  transport::CurlHttpTransport http({});
  for (int i = 0; i < 20; ++i)
    REQUIRE(response_of(http.send(request_to(peer))).status == 200);
  CHECK(peer.connections() == 1);
  HttpRequest fresh = request_to(peer, "POST");
  fresh.fresh_connection = true;
  CHECK(response_of(http.send(fresh)).status == 200);
  CHECK(peer.connections() == 2);
}

TEST_CASE("HTTP: a kept connection that died is replaced without a failure") {
  RawPeer peer([](RawConnection& connection) {
    // Answers one request and hangs up after the next one has come.
    if (connection.read_request()) connection.answer(200, "ok");
    (void)connection.read_request();
  });
  transport::CurlHttpTransport http({});
  CHECK(response_of(http.send(request_to(peer))).body == "ok");
  CHECK(response_of(http.send(request_to(peer))).body == "ok");
  CHECK(peer.connections() == 2);
}

TEST_CASE("HTTP: a request on a fresh connection is sent once, even when the answer gets lost") {
  std::atomic<int> posts{0};
  RawPeer peer([&](RawConnection& connection) {
    while (const auto request = connection.read_request()) {
      if (request->starts_with("POST")) {
        ++posts;
        return;
      }
      connection.answer(200, "ok");
    }
  });
  transport::CurlHttpTransport http({});
  // A kept connection is there, but is not used.
  REQUIRE(response_of(http.send(request_to(peer))).body == "ok");
  HttpRequest request = request_to(peer, "POST");
  request.fresh_connection = true;
  CHECK(failure_of(http.send(request)).kind == Kind::receive);
  CHECK(posts == 1);
}

TEST_CASE("HTTP: many threads share one transport") {
  RawPeer peer([](RawConnection& connection) {
    while (auto request = connection.read_request()) {
      connection.answer(200, request->substr(request->find("\r\n\r\n") + 4));
    }
  });
  transport::CurlHttpTransport http({.pool_size = 4});
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  threads.reserve(12);
  for (int t = 0; t < 12; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        HttpRequest request = request_to(peer, "POST");
        request.body = "thread " + std::to_string(t) + " call " + std::to_string(i);
        if (response_of(http.send(request)).body == request.body) ++right;
      }
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  CHECK(right == 600);
}

TEST_CASE("HTTP: a large body arrives whole both ways") {
  RawPeer peer([](RawConnection& connection) {
    const auto request = connection.read_request();
    if (request) connection.answer(200, request->substr(request->find("\r\n\r\n") + 4));
  });
  transport::CurlHttpTransport http({});
  HttpRequest request = request_to(peer, "PUT");
  for (std::size_t i = 0; i < (std::size_t{8} << 20); ++i)
    request.body += static_cast<char>(i * 31 >> 3);
  CHECK(response_of(http.send(request)).body == request.body);
}
