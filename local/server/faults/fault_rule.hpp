#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <nullspace/json.hpp>

#include "local/server/faults/fault.hpp"

namespace nullspace::local {

// The kinds of WebSockets, as faults tell them apart. `control` is a sandbox's socket that was
// opened without naming a channel.
enum class SocketChannel { none, control, exec, pty, monitor, lifecycle };

std::string_view word_of(SocketChannel channel);
std::optional<SocketChannel> socket_channel_of(std::string_view word);
// `control` asks for every socket of a sandbox.
bool covers(SocketChannel wanted, SocketChannel channel);

// What a request, or a WebSocket's request, is recognised by.
struct RequestFacts {
  std::string method;
  std::vector<std::string> segments;  // of the path, decoded
  SocketChannel channel = SocketChannel::none;
  std::string sandbox_id;
  std::uint64_t body_bytes = 0;
  bool websocket = false;
};

// When a fault happens, and the accounting of how often it did.
struct FaultRule {
  std::string id;
  std::string fault_text;
  Fault fault;

  // Absent: whatever it is.
  std::optional<std::string> method;
  std::optional<std::string> path;
  std::vector<std::string> path_segments;
  std::optional<SocketChannel> channel;
  std::optional<std::string> sandbox_id;
  std::optional<std::string> type;  // of a message

  std::uint64_t skip = 0;
  std::optional<std::uint64_t> count;
  double probability = 1;
  std::uint64_t seed = 0;

  std::uint64_t serial = 0;  // given by the list it is in
  std::uint64_t matched = 0;
  std::uint64_t fired = 0;
  std::mt19937_64 random;

  [[nodiscard]] bool exhausted() const { return count && fired >= *count; }
  [[nodiscard]] bool fits(const RequestFacts& facts) const;
  // It fits once more: whether it fires this time.
  bool fire();
};

using RuleOutcome = std::variant<FaultRule, std::string>;
using RulesOutcome = std::variant<std::vector<FaultRule>, std::string>;

// One rule, or `{"rules": [...]}`. Else what is wrong with it.
RulesOutcome read_fault_rules(const Json& json);
// The value of `x-nullspace-fault`: `stall-pong, close-1011;type=exec_exit;count=1`.
RulesOutcome read_fault_header(std::string_view value);
// As it was given, and how often it was used.
Json describe(const FaultRule& rule);

}  // namespace nullspace::local
