#include "support/dotenv.hpp"

#include <string>

#include "tests/support/catch.hpp"

using nullspace::support::parse_dotenv;

TEST_CASE("a .env file is read by the service's own rules") {
  const auto values = parse_dotenv(
      "# comment\n"
      "\n"
      "PLAIN=value\n"
      "  SPACED  =  around both  \r\n"
      "DOUBLE=\"quoted\"\n"
      "SINGLE='quoted'\n"
      "MIXED=\"'\"deep\"'\"\n"
      "ONE_SIDED=\"open\n"
      "EQUALS=a=b=c\n"
      "EMPTY=\n"
      "no assignment here\n"
      "export EXPORTED=yes\n"
      "COMMENT=value # not a comment\n"
      "ESCAPE=a\\nb\n"
      "EXPANSION=$PLAIN\n"
      "TWICE=first\n"
      "TWICE=second\n"
      "LAST=without newline");

  CHECK(values.at("PLAIN") == "value");
  CHECK(values.at("SPACED") == "around both");
  CHECK(values.at("DOUBLE") == "quoted");
  CHECK(values.at("SINGLE") == "quoted");
  CHECK(values.at("MIXED") == "deep");
  CHECK(values.at("ONE_SIDED") == "open");
  CHECK(values.at("EQUALS") == "a=b=c");
  CHECK(values.at("EMPTY").empty());
  CHECK(values.at("export EXPORTED") == "yes");
  CHECK_FALSE(values.contains("EXPORTED"));
  CHECK(values.at("COMMENT") == "value # not a comment");
  CHECK(values.at("ESCAPE") == "a\\nb");
  CHECK(values.at("EXPANSION") == "$PLAIN");
  CHECK(values.at("TWICE") == "second");
  CHECK(values.at("LAST") == "without newline");
  CHECK(values.size() == 14);
}

TEST_CASE("a .env file may be anything at all") {
  CHECK(parse_dotenv("").empty());
  CHECK(parse_dotenv("\n\n\r\n").empty());
  CHECK(parse_dotenv("=value").at("").compare("value") == 0);
  CHECK(parse_dotenv("A='''").at("A").empty());
  const std::string binary("A=\0B\nC=\xFF\xFE", 9);
  CHECK(parse_dotenv(binary).at("A") == std::string("\0B", 2));
  CHECK(parse_dotenv(binary).at("C") == "\xFF\xFE");
}
