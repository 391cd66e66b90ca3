#include "wire/base64.hpp"

#include <random>
#include <string>

#include "tests/support/catch.hpp"
#include "tests/unit/wire/json_text.hpp"

using nullspace::wire::decode_base64;
using nullspace::wire::encode_base64;

TEST_CASE("base64: the vectors of RFC 4648") {
  const std::pair<std::string, std::string> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) {
    CHECK(encode_base64(bytes) == text);
    CHECK(decode_base64(text) == bytes);
  }
  CHECK(decode_base64("bHMNCg==") == "ls\r\n");
  CHECK(decode_base64("+/+/") == "\xFB\xFF\xBF");
}

TEST_CASE("base64: what is not exactly base64 is refused") {
  for (const std::string_view bad :
       {"Z",       "Zg",       "Zg=",     "Zg===", "====", "=",       "A===",  "Zm9v=",
        "Zm9vYg=", "Zg==Zg==", "Z=g=",    "=Zg=",  "Zm 9", "Zm9v\n",  "\nZm9", "Zm9-",
        "Zm9_",    "Zm9.",     "Zm9\x80", "Zh==",  "Zm9=", "Zm8=Zm8="}) {
    INFO(bad);
    CHECK_FALSE(decode_base64(bad));
  }
  CHECK_FALSE(decode_base64(std::string_view("Zm9\0", 4)));
}

TEST_CASE("base64: any bytes survive, and every cut is noticed") {
  std::mt19937 random(11);
  for (int round = 0; round < 500; ++round) {
    const std::string bytes = nullspace::test::random_bytes(random, 300);
    const std::string text = encode_base64(bytes);
    CHECK(text.size() == (bytes.size() + 2) / 3 * 4);
    CHECK(decode_base64(text) == bytes);
    if (text.empty()) continue;
    const std::size_t cut = text.size() - 1 - static_cast<std::size_t>(round) % 3;
    CHECK_FALSE(decode_base64(std::string_view(text).substr(0, cut)));
  }
}

TEST_CASE("base64: one wrong character anywhere is noticed") {
  std::mt19937 random(12);
  const std::string text = encode_base64(nullspace::test::random_bytes(random, 90) + "xy");
  for (std::size_t i = 0; i + 2 < text.size(); ++i) {
    std::string broken = text;
    broken[i] = '!';
    CHECK_FALSE(decode_base64(broken));
    broken[i] = '=';
    CHECK_FALSE(decode_base64(broken));
  }
}
