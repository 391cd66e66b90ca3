#include "local/guest/protocol.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <system_error>
#include <type_traits>
#include <utility>

namespace nullspace::local::guest {
namespace {

enum class MessageType : std::uint8_t {
  spawn_pipes = 1,
  spawn_pty = 2,
  signal = 3,
  list_processes = 4,
  sample = 5,
  shutdown = 6,
  ready = 65,
  spawned = 66,
  spawn_failed = 67,
  exited = 68,
  processes = 69,
  sampled = 70,
};

constexpr std::int32_t kMaxSignal = 64;

class Writer {
 public:
  Writer() : bytes_(kFrameHeaderBytes, '\0') {}

  template <typename Integer>
  void integer(Integer value) {
    static_assert(std::is_integral_v<Integer>);
    std::array<char, sizeof(Integer)> raw{};
    std::memcpy(raw.data(), &value, sizeof(Integer));
    bytes_.append(raw.data(), raw.size());
  }

  void boolean(bool value) { integer(static_cast<std::uint8_t>(value ? 1 : 0)); }

  void string(const std::string& value) {
    // Such a string could not be handed to execve or chdir: it would be cut at the NUL.
    if (value.find('\0') != std::string::npos || value.size() > kMaxPayloadBytes) {
      valid_ = false;
      return;
    }
    integer(static_cast<std::uint32_t>(value.size()));
    bytes_ += value;
  }

  void strings(const std::vector<std::string>& values) {
    integer(static_cast<std::uint32_t>(values.size()));
    for (const std::string& value : values)
      string(value);
  }

  void refuse() { valid_ = false; }

  std::optional<std::string> frame(MessageType type, std::uint8_t descriptors) {
    const std::size_t payload = bytes_.size() - kFrameHeaderBytes;
    if (!valid_ || payload > kMaxPayloadBytes) return std::nullopt;
    const auto size = static_cast<std::uint32_t>(payload);
    std::memcpy(bytes_.data(), &size, sizeof(size));
    bytes_[4] = static_cast<char>(type);
    bytes_[5] = static_cast<char>(descriptors);
    return std::move(bytes_);
  }

 private:
  std::string bytes_;
  bool valid_ = true;
};

// After the first thing that does not fit every read gives an empty value, and finished() is false.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  template <typename Integer>
  Integer integer() {
    static_assert(std::is_integral_v<Integer>);
    Integer value{};
    if (!valid_ || rest_.size() < sizeof(Integer)) {
      valid_ = false;
      return value;
    }
    std::memcpy(&value, rest_.data(), sizeof(Integer));
    rest_.remove_prefix(sizeof(Integer));
    return value;
  }

  bool boolean() {
    const auto value = integer<std::uint8_t>();
    if (value > 1) valid_ = false;
    return value == 1;
  }

  template <typename Enum>
  Enum enumerator(Enum last) {
    const auto value = integer<std::uint8_t>();
    if (value > static_cast<std::uint8_t>(last)) {
      valid_ = false;
      return Enum{};
    }
    return static_cast<Enum>(value);
  }

  std::string string() {
    const auto size = integer<std::uint32_t>();
    if (!valid_ || size > rest_.size()) {
      valid_ = false;
      return {};
    }
    std::string value(rest_.substr(0, size));
    rest_.remove_prefix(size);
    if (value.find('\0') != std::string::npos) valid_ = false;
    return value;
  }

  // The number of elements that follow, each of which takes at least `smallest` bytes: a count that
  // cannot be true is refused before anything is allocated for it.
  std::uint32_t count(std::size_t smallest) {
    const auto value = integer<std::uint32_t>();
    if (!valid_ || value > rest_.size() / smallest) {
      valid_ = false;
      return 0;
    }
    return value;
  }

  std::vector<std::string> strings() {
    const std::uint32_t size = count(sizeof(std::uint32_t));
    std::vector<std::string> values;
    values.reserve(size);
    for (std::uint32_t i = 0; i < size && valid_; ++i)
      values.push_back(string());
    return values;
  }

  void require(bool condition) {
    if (!condition) valid_ = false;
  }

  [[nodiscard]] bool valid() const { return valid_; }
  [[nodiscard]] bool finished() const { return valid_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool valid_ = true;
};

// Large enough for what follows a program's start message besides its strings.
constexpr std::size_t kSmallestProcessEntry =
    2 * sizeof(std::int32_t) + sizeof(char) + sizeof(std::uint64_t) + sizeof(std::uint32_t);

std::optional<std::string> write(const SpawnPipes& message) {
  Writer writer;
  if (message.argv.empty()) writer.refuse();
  writer.integer(message.request_id);
  writer.strings(message.argv);
  writer.strings(message.env);
  writer.string(message.cwd);
  return writer.frame(MessageType::spawn_pipes, 3);
}

std::optional<std::string> write(const SpawnPty& message) {
  Writer writer;
  if (message.argv.empty()) writer.refuse();
  writer.integer(message.request_id);
  writer.strings(message.argv);
  writer.strings(message.env);
  writer.string(message.cwd);
  writer.integer(message.cols);
  writer.integer(message.rows);
  return writer.frame(MessageType::spawn_pty, 0);
}

std::optional<std::string> write(const Signal& message) {
  Writer writer;
  // Zero, one and negative numbers mean whole sets of processes to kill(2), or the guest itself.
  if (message.pid <= 1 || message.signo < 0 || message.signo > kMaxSignal) writer.refuse();
  writer.integer(message.pid);
  writer.integer(message.signo);
  writer.integer(static_cast<std::uint8_t>(message.scope));
  return writer.frame(MessageType::signal, 0);
}

std::optional<std::string> write(const ListProcesses& message) {
  Writer writer;
  writer.integer(message.request_id);
  return writer.frame(MessageType::list_processes, 0);
}

std::optional<std::string> write(const Sample& message) {
  Writer writer;
  writer.integer(message.request_id);
  return writer.frame(MessageType::sample, 0);
}

std::optional<std::string> write(const Shutdown&) {
  return Writer().frame(MessageType::shutdown, 0);
}

std::optional<std::string> write(const Ready& message) {
  Writer writer;
  writer.integer(message.pid);
  writer.boolean(message.isolated);
  return writer.frame(MessageType::ready, 0);
}

std::optional<std::string> write(const Spawned& message) {
  Writer writer;
  writer.integer(message.request_id);
  writer.integer(message.pid);
  writer.boolean(message.has_terminal);
  return writer.frame(MessageType::spawned, message.has_terminal ? 1 : 0);
}

std::optional<std::string> write(const SpawnFailed& message) {
  Writer writer;
  if (message.stage == SpawnStage::gone) writer.refuse();
  writer.integer(message.request_id);
  writer.integer(message.error);
  writer.integer(static_cast<std::uint8_t>(message.stage));
  writer.string(message.message);
  return writer.frame(MessageType::spawn_failed, 0);
}

std::optional<std::string> write(const Exited& message) {
  Writer writer;
  writer.integer(message.pid);
  writer.integer(message.exit_code);
  writer.integer(message.signal);
  return writer.frame(MessageType::exited, 0);
}

std::optional<std::string> write(const Processes& message) {
  Writer writer;
  writer.integer(message.request_id);
  writer.integer(static_cast<std::uint32_t>(message.processes.size()));
  for (const ProcessEntry& entry : message.processes) {
    writer.integer(entry.pid);
    writer.integer(entry.ppid);
    writer.integer(entry.state);
    writer.integer(entry.start_ticks);
    writer.string(entry.command);
  }
  return writer.frame(MessageType::processes, 0);
}

std::optional<std::string> write(const Sampled& message) {
  Writer writer;
  writer.integer(message.request_id);
  writer.integer(message.cpu_usec_total);
  writer.integer(message.cpu_count);
  writer.integer(message.mem_used_bytes);
  writer.integer(message.mem_total_bytes);
  writer.integer(message.process_count);
  return writer.frame(MessageType::sampled, 0);
}

SpawnPipes read_spawn_pipes(Reader& reader) {
  SpawnPipes message;
  message.request_id = reader.integer<std::uint32_t>();
  message.argv = reader.strings();
  message.env = reader.strings();
  message.cwd = reader.string();
  reader.require(!message.argv.empty());
  return message;
}

SpawnPty read_spawn_pty(Reader& reader) {
  SpawnPty message;
  message.request_id = reader.integer<std::uint32_t>();
  message.argv = reader.strings();
  message.env = reader.strings();
  message.cwd = reader.string();
  message.cols = reader.integer<std::uint16_t>();
  message.rows = reader.integer<std::uint16_t>();
  reader.require(!message.argv.empty());
  return message;
}

Signal read_signal(Reader& reader) {
  Signal message;
  message.pid = reader.integer<std::int32_t>();
  message.signo = reader.integer<std::int32_t>();
  message.scope = reader.enumerator(SignalScope::session);
  reader.require(message.pid > 1 && message.signo >= 0 && message.signo <= kMaxSignal);
  return message;
}

SpawnFailed read_spawn_failed(Reader& reader) {
  SpawnFailed message;
  message.request_id = reader.integer<std::uint32_t>();
  message.error = reader.integer<std::int32_t>();
  message.stage = reader.enumerator(SpawnStage::fork);
  message.message = reader.string();
  return message;
}

Processes read_processes(Reader& reader) {
  Processes message;
  message.request_id = reader.integer<std::uint32_t>();
  const std::uint32_t size = reader.count(kSmallestProcessEntry);
  message.processes.reserve(size);
  for (std::uint32_t i = 0; i < size && reader.valid(); ++i) {
    ProcessEntry entry;
    entry.pid = reader.integer<std::int32_t>();
    entry.ppid = reader.integer<std::int32_t>();
    entry.state = reader.integer<char>();
    entry.start_ticks = reader.integer<std::uint64_t>();
    entry.command = reader.string();
    message.processes.push_back(std::move(entry));
  }
  return message;
}

Sampled read_sampled(Reader& reader) {
  Sampled message;
  message.request_id = reader.integer<std::uint32_t>();
  message.cpu_usec_total = reader.integer<std::uint64_t>();
  message.cpu_count = reader.integer<std::uint32_t>();
  message.mem_used_bytes = reader.integer<std::uint64_t>();
  message.mem_total_bytes = reader.integer<std::uint64_t>();
  message.process_count = reader.integer<std::uint32_t>();
  return message;
}

template <typename Message>
std::optional<Message> checked(const Reader& reader, Message message, bool descriptors_right) {
  if (!reader.finished() || !descriptors_right) return std::nullopt;
  return message;
}

}  // namespace

std::optional<FrameHeader> decode_header(std::string_view bytes) {
  if (bytes.size() < kFrameHeaderBytes) return std::nullopt;
  FrameHeader header;
  std::memcpy(&header.payload_bytes, bytes.data(), sizeof(header.payload_bytes));
  header.type = static_cast<std::uint8_t>(bytes[4]);
  header.descriptors = static_cast<std::uint8_t>(bytes[5]);
  if (header.payload_bytes > kMaxPayloadBytes || header.descriptors > kMaxFrameDescriptors ||
      bytes[6] != '\0' || bytes[7] != '\0') {
    return std::nullopt;
  }
  return header;
}

std::optional<std::string> encode(const ServerMessage& message) {
  return std::visit([](const auto& value) { return write(value); }, message);
}

std::optional<std::string> encode(const GuestMessage& message) {
  return std::visit([](const auto& value) { return write(value); }, message);
}

std::optional<ServerMessage> decode_server_message(const FrameHeader& header,
                                                   std::string_view payload) {
  Reader reader(payload);
  const bool no_descriptors = header.descriptors == 0;
  switch (static_cast<MessageType>(header.type)) {
    case MessageType::spawn_pipes: {
      ServerMessage message = read_spawn_pipes(reader);
      return checked(reader, std::move(message), header.descriptors == 3);
    }
    case MessageType::spawn_pty: {
      ServerMessage message = read_spawn_pty(reader);
      return checked(reader, std::move(message), no_descriptors);
    }
    case MessageType::signal: {
      ServerMessage message = read_signal(reader);
      return checked(reader, std::move(message), no_descriptors);
    }
    case MessageType::list_processes: {
      ServerMessage message = ListProcesses{reader.integer<std::uint32_t>()};
      return checked(reader, std::move(message), no_descriptors);
    }
    case MessageType::sample: {
      ServerMessage message = Sample{reader.integer<std::uint32_t>()};
      return checked(reader, std::move(message), no_descriptors);
    }
    case MessageType::shutdown:
      return checked(reader, ServerMessage(Shutdown{}), no_descriptors);
    default:
      return std::nullopt;
  }
}

std::optional<GuestMessage> decode_guest_message(const FrameHeader& header,
                                                 std::string_view payload) {
  Reader reader(payload);
  const bool no_descriptors = header.descriptors == 0;
  switch (static_cast<MessageType>(header.type)) {
    case MessageType::ready: {
      Ready ready;
      ready.pid = reader.integer<std::int32_t>();
      ready.isolated = reader.boolean();
      return checked(reader, GuestMessage(ready), no_descriptors);
    }
    case MessageType::spawned: {
      Spawned spawned;
      spawned.request_id = reader.integer<std::uint32_t>();
      spawned.pid = reader.integer<std::int32_t>();
      spawned.has_terminal = reader.boolean();
      const bool descriptors_right = header.descriptors == (spawned.has_terminal ? 1 : 0);
      return checked(reader, GuestMessage(spawned), descriptors_right);
    }
    case MessageType::spawn_failed: {
      GuestMessage message = read_spawn_failed(reader);
      return checked(reader, std::move(message), no_descriptors);
    }
    case MessageType::exited: {
      Exited exited;
      exited.pid = reader.integer<std::int32_t>();
      exited.exit_code = reader.integer<std::int32_t>();
      exited.signal = reader.integer<std::int32_t>();
      return checked(reader, GuestMessage(exited), no_descriptors);
    }
    case MessageType::processes: {
      GuestMessage message = read_processes(reader);
      return checked(reader, std::move(message), no_descriptors);
    }
    case MessageType::sampled: {
      GuestMessage message = read_sampled(reader);
      return checked(reader, std::move(message), no_descriptors);
    }
    default:
      return std::nullopt;
  }
}

int exit_code_of(const SpawnFailed& failure) {
  return failure.error == ENOENT || failure.error == ENOTDIR ? 127 : 126;
}

std::string shell_message(std::string_view program, const SpawnFailed& failure) {
  std::string line = "sh: ";
  line += program;
  line += ": ";
  const bool looked_up = program.find('/') == std::string_view::npos;
  if (failure.error == ENOENT && looked_up) {
    line += "command not found";
  } else {
    line += std::generic_category().message(failure.error);
  }
  line += '\n';
  return line;
}

int exit_code_of(const Exited& exited) {
  return exited.signal != 0 ? 128 + exited.signal : exited.exit_code;
}

}  // namespace nullspace::local::guest
