#include "support/redaction.hpp"

#include <array>
#include <string>
#include <string_view>

#include "tests/support/catch.hpp"

using nullspace::support::redact_url;

namespace {

struct Example {
  std::string_view url;
  std::string_view shown;
};

constexpr std::array kExamples{
    // Nothing to hide.
    Example{"", ""},
    Example{"http://localhost:3000", "http://localhost:3000"},
    Example{"https://api.example.test/v1/sandboxes", "https://api.example.test/v1/sandboxes"},
    Example{"https://api.example.test:8443/p/v1", "https://api.example.test:8443/p/v1"},
    Example{"wss://h/v1/sandboxes/sb_1/ws?channel=pty", "wss://h/v1/sandboxes/sb_1/ws?channel=pty"},
    Example{"https://h/v1/sandboxes?limit=10&state=running",
            "https://h/v1/sandboxes?limit=10&state=running"},
    Example{"https://h/v1/sandboxes?fields=id%2Cstatus",
            "https://h/v1/sandboxes?fields=id%2Cstatus"},
    Example{"https://h/?template=base&order=desc&offset=3",
            "https://h/?template=base&order=desc&offset=3"},
    Example{"http://[::1]:3000/x", "http://[::1]:3000/x"},
    Example{"http://[fe80::1]/x", "http://[fe80::1]/x"},
    Example{"/v1/sandboxes/sb_1", "/v1/sandboxes/sb_1"},
    Example{"https://h/a@b/c", "https://h/a@b/c"},
    Example{"https://h/?", "https://h/?"},
    Example{"https://h/?limit=1&", "https://h/?limit=1&"},
    Example{"https://h?limit=1", "https://h?limit=1"},
    // Query values that nobody vouches for.
    Example{"https://h/?edge_token=nst_secret", "https://h/?edge_token=***"},
    Example{"https://h/?grant=pvg_secret&limit=5", "https://h/?grant=***&limit=5"},
    Example{"https://h/?limit=5&api_key=secret", "https://h/?limit=5&api_key=***"},
    Example{"https://h/?token=secret=with=equals", "https://h/?token=***"},
    Example{"https://h/?metadata=%7B%22a%22%3A1%7D", "https://h/?metadata=***"},
    Example{"https://h/?next_token=nt_secret", "https://h/?next_token=***"},
    Example{"https://h/?signature=secret&expires=123", "https://h/?signature=***&expires=***"},
    Example{"https://h/?X-Amz-Signature=secret", "https://h/?X-Amz-Signature=***"},
    Example{"https://h/?LIMIT=secret", "https://h/?LIMIT=***"},
    Example{"https://h/?%6Cimit=secret", "https://h/?%6Cimit=***"},
    Example{"https://h/?token=", "https://h/?token=***"},
    Example{"https://h/?=secret", "https://h/?=***"},
    Example{"https://h/?secret", "https://h/?***"},
    Example{"https://h/?limit=1&secret", "https://h/?limit=1&***"},
    Example{"https://h/?limit=1;token=secret", "https://h/?limit=1;token=***"},
    Example{"https://h/?a=secret?limit=1", "https://h/?a=***"},
    Example{"https://h/?token=secret&token=other", "https://h/?token=***&token=***"},
    // Fragments go altogether.
    Example{"https://h/p#secret", "https://h/p"},
    Example{"https://h/?limit=1#token=secret", "https://h/?limit=1"},
    // User info, well written and badly.
    Example{"https://user:secret@h/p", "https://***@h/p"},
    Example{"https://secret@h", "https://***@h"},
    Example{"https://user:sec@ret@h/p", "https://***@h/p"},
    Example{"http://proxy:secret@proxy.test:3128", "http://***@proxy.test:3128"},
    Example{"https://user:se/cret@h/p", "https://***@h/p"},
    Example{"https://user:se#cret@h/p", "https://***"},
    Example{"https://user:se?cret@h/p", "https://***?***"},
    Example{"https:///user:secret@h", "https://***@h"},
    Example{"user:secret@h/p", "***@h/p"},
    Example{"//user:secret@h/p", "***@h/p"},
    Example{"user:secret", "***"},
    Example{"https://h:secret/p", "https://***"},
    Example{"https:user:secret@h", "***@h"},
};

}  // namespace

TEST_CASE("a URL shows where it goes and opens no door") {
  static_assert(kExamples.size() >= 40);
  for (const Example& example : kExamples) {
    CAPTURE(example.url);
    CHECK(redact_url(example.url) == example.shown);
  }
}

TEST_CASE("no redacted URL holds the secret") {
  for (const Example& example : kExamples) {
    const std::string shown = redact_url(example.url);
    CAPTURE(example.url, shown);
    CHECK(shown.find("secret") == std::string::npos);
    CHECK(shown.find("cret") == std::string::npos);
    // What may be shown once may be shown again.
    CHECK(redact_url(shown) == shown);
  }
}
