#include "local/guest/protocol.hpp"

#include <cerrno>
#include <cstring>
#include <string>
#include <variant>

#include "tests/support/catch.hpp"

namespace {

namespace guest = nullspace::local::guest;

using guest::GuestMessage;
using guest::ServerMessage;

guest::FrameHeader header_of(const std::string& frame) {
  const auto header = guest::decode_header(frame);
  REQUIRE(header);
  REQUIRE(header->payload_bytes == frame.size() - guest::kFrameHeaderBytes);
  return *header;
}

std::string_view payload_of(const std::string& frame) {
  return std::string_view(frame).substr(guest::kFrameHeaderBytes);
}

template <typename Message>
Message round_trip_to_guest(const Message& message, std::uint8_t descriptors) {
  const auto frame = guest::encode(ServerMessage(message));
  REQUIRE(frame);
  REQUIRE(header_of(*frame).descriptors == descriptors);
  const auto decoded = guest::decode_server_message(header_of(*frame), payload_of(*frame));
  REQUIRE(decoded);
  return std::get<Message>(*decoded);
}

template <typename Message>
Message round_trip_to_server(const Message& message, std::uint8_t descriptors) {
  const auto frame = guest::encode(GuestMessage(message));
  REQUIRE(frame);
  REQUIRE(header_of(*frame).descriptors == descriptors);
  const auto decoded = guest::decode_guest_message(header_of(*frame), payload_of(*frame));
  REQUIRE(decoded);
  return std::get<Message>(*decoded);
}

guest::SpawnPty sample_spawn_pty() {
  guest::SpawnPty message;
  message.request_id = 7;
  message.argv = {"/bin/bash", "-c", "printf 'a b'\n\xff"};
  message.env = {"A=1", "EMPTY="};
  message.cwd = "/workspace/x y";
  message.cols = 65535;
  message.rows = 1;
  return message;
}

guest::Processes sample_processes() {
  guest::Processes message;
  message.request_id = 3;
  message.processes.push_back({12, 1, 'S', 991, "sleep 60"});
  message.processes.push_back({2147483647, 12, 'Z', 18446744073709551615U, ""});
  return message;
}

}  // namespace

TEST_CASE("messages to the guest survive the way") {
  guest::SpawnPipes pipes;
  pipes.request_id = 4294967295U;
  pipes.argv = {"ls", "", "-l"};
  pipes.env = {"PATH=/bin"};
  pipes.cwd = "/tmp";
  const auto pipes_back = round_trip_to_guest(pipes, 3);
  CHECK(pipes_back.request_id == pipes.request_id);
  CHECK(pipes_back.argv == pipes.argv);
  CHECK(pipes_back.env == pipes.env);
  CHECK(pipes_back.cwd == pipes.cwd);

  const auto pty = sample_spawn_pty();
  const auto pty_back = round_trip_to_guest(pty, 0);
  CHECK(pty_back.argv == pty.argv);
  CHECK(pty_back.env == pty.env);
  CHECK(pty_back.cwd == pty.cwd);
  CHECK(pty_back.cols == 65535);
  CHECK(pty_back.rows == 1);

  const auto signal = round_trip_to_guest(guest::Signal{12, 9, guest::SignalScope::session}, 0);
  CHECK(signal.pid == 12);
  CHECK(signal.signo == 9);
  CHECK(signal.scope == guest::SignalScope::session);

  CHECK(round_trip_to_guest(guest::ListProcesses{5}, 0).request_id == 5);
  CHECK(round_trip_to_guest(guest::Sample{6}, 0).request_id == 6);
  round_trip_to_guest(guest::Shutdown{}, 0);
}

TEST_CASE("messages to the server survive the way") {
  const auto ready = round_trip_to_server(guest::Ready{1, true}, 0);
  CHECK(ready.pid == 1);
  CHECK(ready.isolated);

  CHECK(round_trip_to_server(guest::Spawned{9, 44, false}, 0).pid == 44);
  CHECK(round_trip_to_server(guest::Spawned{9, 44, true}, 1).has_terminal);

  guest::SpawnFailed failed;
  failed.request_id = 2;
  failed.error = ENOENT;
  failed.stage = guest::SpawnStage::exec;
  failed.message = "cannot run";
  const auto failed_back = round_trip_to_server(failed, 0);
  CHECK(failed_back.request_id == 2);
  CHECK(failed_back.error == ENOENT);
  CHECK(failed_back.stage == guest::SpawnStage::exec);
  CHECK(failed_back.message == "cannot run");

  const auto exited = round_trip_to_server(guest::Exited{44, 0, 15}, 0);
  CHECK(exited.pid == 44);
  CHECK(exited.exit_code == 0);
  CHECK(exited.signal == 15);

  const auto processes = round_trip_to_server(sample_processes(), 0);
  REQUIRE(processes.processes.size() == 2);
  CHECK(processes.processes[0].command == "sleep 60");
  CHECK(processes.processes[0].ppid == 1);
  CHECK(processes.processes[1].pid == 2147483647);
  CHECK(processes.processes[1].state == 'Z');
  CHECK(processes.processes[1].start_ticks == 18446744073709551615U);

  guest::Sampled sampled;
  sampled.request_id = 8;
  sampled.cpu_usec_total = 123456789012U;
  sampled.cpu_count = 64;
  sampled.mem_used_bytes = 5;
  sampled.mem_total_bytes = 6;
  sampled.process_count = 7;
  const auto sampled_back = round_trip_to_server(sampled, 0);
  CHECK(sampled_back.cpu_usec_total == 123456789012U);
  CHECK(sampled_back.cpu_count == 64);
  CHECK(sampled_back.mem_used_bytes == 5);
  CHECK(sampled_back.mem_total_bytes == 6);
  CHECK(sampled_back.process_count == 7);
}

TEST_CASE("a payload cut anywhere or with bytes too many is refused") {
  const auto to_guest = guest::encode(ServerMessage(sample_spawn_pty()));
  REQUIRE(to_guest);
  const auto to_guest_header = header_of(*to_guest);
  for (std::size_t size = 0; size < payload_of(*to_guest).size(); ++size) {
    CHECK_FALSE(
        guest::decode_server_message(to_guest_header, payload_of(*to_guest).substr(0, size)));
  }
  CHECK_FALSE(
      guest::decode_server_message(to_guest_header, std::string(payload_of(*to_guest)) + 'x'));

  const auto to_server = guest::encode(GuestMessage(sample_processes()));
  REQUIRE(to_server);
  const auto to_server_header = header_of(*to_server);
  for (std::size_t size = 0; size < payload_of(*to_server).size(); ++size) {
    CHECK_FALSE(
        guest::decode_guest_message(to_server_header, payload_of(*to_server).substr(0, size)));
  }
  CHECK_FALSE(
      guest::decode_guest_message(to_server_header, std::string(payload_of(*to_server)) + 'x'));
}

TEST_CASE("no single flipped byte makes a decoder read beyond the payload") {
  const auto frame = guest::encode(ServerMessage(sample_spawn_pty()));
  REQUIRE(frame);
  const auto header = header_of(*frame);
  for (std::size_t at = 0; at < payload_of(*frame).size(); ++at) {
    for (const int value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
      std::string payload(payload_of(*frame));
      payload[at] = static_cast<char>(value);
      const auto decoded = guest::decode_server_message(header, payload);
      // What is accepted can be said again in the same bytes.
      if (decoded) {
        const auto again = guest::encode(*decoded);
        REQUIRE(again);
        CHECK(payload_of(*again) == payload);
      }
    }
  }
}

TEST_CASE("counts and lengths that do not fit are refused before anything is allocated") {
  const auto frame = guest::encode(ServerMessage(sample_spawn_pty()));
  REQUIRE(frame);
  const auto header = header_of(*frame);
  std::string payload(payload_of(*frame));
  const std::uint32_t huge = 0xffffffffU;
  std::memcpy(payload.data() + 4, &huge, sizeof(huge));  // the number of arguments
  CHECK_FALSE(guest::decode_server_message(header, payload));
  payload = payload_of(*frame);
  std::memcpy(payload.data() + 8, &huge, sizeof(huge));  // the length of the first
  CHECK_FALSE(guest::decode_server_message(header, payload));
}

TEST_CASE("headers that cannot be are refused") {
  const auto frame = guest::encode(ServerMessage(guest::Sample{1}));
  REQUIRE(frame);
  CHECK(guest::decode_header(*frame));
  CHECK_FALSE(guest::decode_header(std::string_view(*frame).substr(0, 7)));

  std::string oversized = *frame;
  const std::uint32_t size = guest::kMaxPayloadBytes + 1;
  std::memcpy(oversized.data(), &size, sizeof(size));
  CHECK_FALSE(guest::decode_header(oversized));

  std::string too_many = *frame;
  too_many[5] = 4;
  CHECK_FALSE(guest::decode_header(too_many));

  std::string padded = *frame;
  padded[7] = 1;
  CHECK_FALSE(guest::decode_header(padded));
}

TEST_CASE("unknown types, messages of the other side and wrong descriptor counts are refused") {
  const auto sample = guest::encode(ServerMessage(guest::Sample{1}));
  REQUIRE(sample);
  auto header = header_of(*sample);
  CHECK_FALSE(guest::decode_guest_message(header, payload_of(*sample)));
  header.descriptors = 1;
  CHECK_FALSE(guest::decode_server_message(header, payload_of(*sample)));
  header.descriptors = 0;
  for (const int type : {0, 7, 64, 71, 255}) {
    header.type = static_cast<std::uint8_t>(type);
    CHECK_FALSE(guest::decode_server_message(header, payload_of(*sample)));
    CHECK_FALSE(guest::decode_guest_message(header, payload_of(*sample)));
  }

  guest::SpawnPipes pipes;
  pipes.argv = {"true"};
  const auto spawn = guest::encode(ServerMessage(pipes));
  REQUIRE(spawn);
  for (const std::uint8_t descriptors : {std::uint8_t{0}, std::uint8_t{2}}) {
    auto wrong = header_of(*spawn);
    wrong.descriptors = descriptors;
    CHECK_FALSE(guest::decode_server_message(wrong, payload_of(*spawn)));
  }
  // A terminal that is announced and not there, and the other way round.
  const auto with = guest::encode(GuestMessage(guest::Spawned{1, 2, true}));
  auto without_header = header_of(*with);
  without_header.descriptors = 0;
  CHECK_FALSE(guest::decode_guest_message(without_header, payload_of(*with)));
  const auto without = guest::encode(GuestMessage(guest::Spawned{1, 2, false}));
  auto with_header = header_of(*without);
  with_header.descriptors = 1;
  CHECK_FALSE(guest::decode_guest_message(with_header, payload_of(*without)));
}

TEST_CASE("what must not travel is not encoded") {
  guest::SpawnPipes message;
  CHECK_FALSE(guest::encode(ServerMessage(message)));  // nothing to run
  message.argv = {std::string("a\0b", 3)};
  CHECK_FALSE(guest::encode(ServerMessage(message)));
  message.argv = {"a"};
  message.cwd = std::string("/\0", 2);
  CHECK_FALSE(guest::encode(ServerMessage(message)));
  message.cwd = "/";
  message.env = {std::string(guest::kMaxPayloadBytes, 'x')};
  CHECK_FALSE(guest::encode(ServerMessage(message)));

  // To kill(2) these mean "everybody" or a whole group; 1 is the guest.
  for (const int pid : {-1, 0, 1, -44}) {
    CHECK_FALSE(guest::encode(ServerMessage(guest::Signal{pid, 9, guest::SignalScope::group})));
  }
  CHECK_FALSE(guest::encode(ServerMessage(guest::Signal{44, 65, guest::SignalScope::group})));
  CHECK_FALSE(guest::encode(ServerMessage(guest::Signal{44, -1, guest::SignalScope::group})));
}

TEST_CASE("a NUL inside a string is refused on arrival") {
  guest::SpawnPipes message;
  message.argv = {"abc"};
  const auto frame = guest::encode(ServerMessage(message));
  REQUIRE(frame);
  std::string payload(payload_of(*frame));
  payload[payload.find("abc") + 1] = '\0';
  CHECK_FALSE(guest::decode_server_message(header_of(*frame), payload));
}

TEST_CASE("failures and ends read like a shell's") {
  guest::SpawnFailed failure;
  failure.stage = guest::SpawnStage::exec;
  failure.error = ENOENT;
  CHECK(guest::exit_code_of(failure) == 127);
  CHECK(guest::shell_message("nonsense", failure) == "sh: nonsense: command not found\n");
  CHECK(guest::shell_message("/no/such", failure) == "sh: /no/such: No such file or directory\n");
  failure.error = EACCES;
  CHECK(guest::exit_code_of(failure) == 126);
  CHECK(guest::shell_message("./data", failure) == "sh: ./data: Permission denied\n");

  CHECK(guest::exit_code_of(guest::Exited{5, 7, 0}) == 7);
  CHECK(guest::exit_code_of(guest::Exited{5, 0, 9}) == 137);
}
