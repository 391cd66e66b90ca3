#include "transport/send_queue.hpp"

#include <string>

#include "tests/support/catch.hpp"

using nullspace::SendStatus;
using nullspace::transport::MessageKind;
using nullspace::transport::SendQueue;

namespace {

constexpr std::size_t kOverhead = SendQueue::kMessageOverhead;

std::string text_of(const SendQueue::Frame& frame) {
  return {reinterpret_cast<const char*>(frame.payload()), frame.size};
}

}  // namespace

TEST_CASE("messages come out as they went in, with room for a head") {
  SendQueue queue(1'000, 16);
  REQUIRE(queue.push("one") == SendStatus::queued);
  REQUIRE(queue.push("", MessageKind::binary) == SendStatus::queued);
  const auto first = queue.pop();
  const auto second = queue.pop();
  REQUIRE(first);
  REQUIRE(second);
  CHECK(text_of(*first) == "one");
  CHECK(first->payload() - first->buffer.get() == 16);
  CHECK(first->kind == MessageKind::text);
  CHECK(second->size == 0);
  CHECK(second->kind == MessageKind::binary);
  CHECK_FALSE(queue.pop());
}

TEST_CASE("empty messages fill it, too") {
  SendQueue queue(10 * kOverhead, 16);
  for (int i = 0; i < 10; ++i)
    REQUIRE(queue.push("") == SendStatus::queued);
  CHECK(queue.push("") == SendStatus::full);
}

TEST_CASE("a message above the limit goes when nothing else is queued") {
  SendQueue queue(100, 16);
  REQUIRE(queue.push(std::string(5'000, 'x')) == SendStatus::queued);
  CHECK(queue.push("y") == SendStatus::full);
  const auto frame = queue.pop();
  // It counts until it has really been handed on.
  CHECK(queue.push("y") == SendStatus::full);
  CHECK(queue.release(*frame));
  CHECK(queue.push("y") == SendStatus::queued);
}

TEST_CASE("room is announced once, at half of the limit, and only to whoever was refused") {
  SendQueue queue(4 * kOverhead, 16);
  REQUIRE(queue.push("") == SendStatus::queued);
  CHECK_FALSE(queue.release(*queue.pop()));

  for (int i = 0; i < 4; ++i)
    REQUIRE(queue.push("") == SendStatus::queued);
  REQUIRE(queue.push("") == SendStatus::full);
  CHECK_FALSE(queue.release(*queue.pop()));
  CHECK(queue.release(*queue.pop()));
  CHECK_FALSE(queue.release(*queue.pop()));
}

TEST_CASE("a closed queue takes nothing") {
  SendQueue queue(1'000, 16);
  REQUIRE(queue.push("last") == SendStatus::queued);
  queue.refuse();
  CHECK(queue.push("late") == SendStatus::closed);
  CHECK_FALSE(queue.empty());
  queue.clear();
  CHECK(queue.empty());
  CHECK_FALSE(queue.pop());
}
