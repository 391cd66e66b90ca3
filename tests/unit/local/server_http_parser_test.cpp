#include "local/server/http_parser.hpp"

#include <string>
#include <string_view>

#include "tests/support/catch.hpp"

namespace {

using nullspace::local::HttpLimits;
using nullspace::local::HttpParser;
using nullspace::local::HttpRequest;
using State = nullspace::local::HttpParser::State;

constexpr std::string_view kPost =
    "POST /v1/sandboxes?x=1 HTTP/1.1\r\nHost: localhost\r\nX-Name:  a b \r\nContent-Length: "
    "5\r\n\r\n"
    "hello";

int refused(std::string_view text, HttpLimits limits = {}) {
  HttpParser parser(limits);
  parser.feed(text);
  return parser.state() == State::failed ? parser.failure().status : 0;
}

std::string with_header(std::string_view header) {
  return "POST / HTTP/1.1\r\nHost: h\r\n" + std::string(header) + "\r\n\r\n";
}

}  // namespace

TEST_CASE("a request is the same however it is cut") {
  for (std::size_t piece = 1; piece <= kPost.size(); ++piece) {
    HttpParser parser;
    std::string_view rest = kPost;
    while (!rest.empty()) {
      const std::string_view part = rest.substr(0, piece);
      REQUIRE(parser.feed(part) == part.size());
      rest.remove_prefix(part.size());
    }
    REQUIRE(parser.state() == State::complete);
    const HttpRequest request = parser.take();
    CHECK(request.method == "POST");
    CHECK(request.target_text == "/v1/sandboxes?x=1");
    CHECK(request.header("x-name") == "a b");
    CHECK(request.body == "hello");
    CHECK(request.keep_alive());
    CHECK_FALSE(parser.in_request());
  }
}

TEST_CASE("what follows a request is left for the next one") {
  HttpParser parser;
  const std::string two = std::string(kPost) + "GET /healthz HTTP/1.1\nHost: x\n\n";
  CHECK(parser.feed(two) == kPost.size());
  CHECK(parser.take().body == "hello");
  const std::string rest = two.substr(kPost.size());
  CHECK(parser.feed(rest) == rest.size());
  REQUIRE(parser.state() == State::complete);
  CHECK(parser.take().method == "GET");
}

TEST_CASE("chunks are put together, extensions and trailers left out") {
  const std::string text = with_header("Transfer-Encoding: chunked") +
                           "5;name=value\r\nhello\r\n1\r\n!\r\n0\r\nTrailer: x\r\n\r\n";
  for (std::size_t piece : {std::size_t{1}, std::size_t{3}, text.size()}) {
    HttpParser parser;
    for (std::size_t at = 0; at < text.size(); at += piece) {
      parser.feed(std::string_view(text).substr(at, piece));
    }
    REQUIRE(parser.state() == State::complete);
    CHECK(parser.take().body == "hello!");
  }
}

TEST_CASE("a client that waits for the word to go on is noticed") {
  HttpParser parser;
  parser.feed(with_header("Content-Length: 3\r\nExpect: 100-continue"));
  CHECK(parser.expects_continue());
}

TEST_CASE("two lengths that disagree are refused, whoever would believe which") {
  CHECK(refused(with_header("Content-Length: 3\r\nContent-Length: 4")) == 400);
  CHECK(refused(with_header("Content-Length: 3\r\nTransfer-Encoding: chunked")) == 400);
  CHECK(refused(with_header("Content-Length: -1")) == 400);
  CHECK(refused(with_header("Content-Length: +1")) == 400);
  CHECK(refused(with_header("Content-Length: 99999999999999999999")) == 400);
  CHECK(refused(with_header("Transfer-Encoding: gzip, chunked")) == 501);
  CHECK(refused(with_header("Transfer-Encoding: chunked") + "-1\r\n") == 400);
  CHECK(refused(with_header("Transfer-Encoding: chunked") + "1\r\nab\r\n") == 400);
}

TEST_CASE("malformed heads are refused") {
  CHECK(refused("GET / HTTP/2.0\r\n\r\n") == 505);
  CHECK(refused("GET / FTP\r\n\r\n") == 400);
  CHECK(refused("GET /\r\n\r\n") == 400);
  CHECK(refused("GET / x HTTP/1.1\r\nHost: h\r\n\r\n") == 400);
  CHECK(refused("G\x01T / HTTP/1.1\r\nHost: h\r\n\r\n") == 400);
  CHECK(refused("GET sandboxes HTTP/1.1\r\nHost: h\r\n\r\n") == 400);
  CHECK(refused("GET /%2 HTTP/1.1\r\nHost: h\r\n\r\n") == 400);
  CHECK(refused("GET / HTTP/1.1\r\n\r\n") == 400);
  CHECK(refused(with_header("Name : x")) == 400);
  CHECK(refused(with_header("Name: a\r\n folded")) == 400);
  CHECK(refused(with_header("Name: a\rb")) == 400);
  CHECK(refused(with_header(std::string("Name: a\0b", 9))) == 400);
}

TEST_CASE("limits hold while the bytes arrive") {
  HttpLimits limits;
  limits.head_bytes = 100;
  limits.header_count = 3;
  limits.body_bytes = 10;
  CHECK(refused("GET /" + std::string(200, 'a'), limits) == 431);
  CHECK(refused(with_header("A: 1\r\nB: 2\r\nC: 3"), limits) == 431);
  CHECK(refused(with_header("Content-Length: 11"), limits) == 413);
  CHECK(refused(with_header("Transfer-Encoding: chunked") + "6\r\nabcdef\r\n6\r\n", limits) == 413);
  CHECK(refused(with_header("Content-Length: 10"), limits) == 0);
}

TEST_CASE("the absolute form replaces the host") {
  HttpParser parser;
  parser.feed("GET http://elsewhere.example/a?b=c HTTP/1.1\r\nHost: localhost\r\n\r\n");
  REQUIRE(parser.state() == State::complete);
  const HttpRequest request = parser.take();
  CHECK(request.header("host") == "elsewhere.example");
  CHECK(request.target.segments == std::vector<std::string>{"a"});
}

TEST_CASE("HTTP/1.0 closes unless asked") {
  HttpParser parser;
  parser.feed("GET / HTTP/1.0\r\n\r\n");
  REQUIRE(parser.state() == State::complete);
  CHECK_FALSE(parser.take().keep_alive());
  parser.feed("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
  REQUIRE(parser.state() == State::complete);
  CHECK(parser.take().keep_alive());
}
