#include "tests/support/python_peer.hpp"

#include <cstdlib>
#include <stdexcept>
#include <utility>

namespace test {

namespace {

using nullspace::Json;

std::string setting(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') {
    throw std::runtime_error(std::string(name) +
                             " is not set: run the interop tests with ctest, or see "
                             "tests/interop/README.md");
  }
  return value;
}

ChildProcess::Options command_line(const std::vector<std::string>& arguments) {
  ChildProcess::Options options{.command = {setting("NULLSPACE_TEST_PYTHON"), "-B",
                                            setting("NULLSPACE_TEST_PEERS") + "/service.py",
                                            "--api-key", PythonPeer::key()}};
  options.command.insert(options.command.end(), arguments.begin(), arguments.end());
  return options;
}

Json::Array names_of(const std::vector<std::string>& names) {
  return {names.begin(), names.end()};
}

}  // namespace

PythonPeer::PythonPeer(const std::vector<std::string>& arguments)
    : process_(command_line(arguments)) {
  hello_ = Json::parse(process_.read_line());
  port_ = static_cast<int>(hello_["port"].as_int().value_or(0));
  tls_ = hello_["ca_file"].is_string();
}

std::string PythonPeer::url_at(std::string_view host) const {
  return (tls_ ? "https://" : "http://") + std::string(host) + ":" + std::to_string(port_);
}

std::string PythonPeer::ca_file() const {
  return hello_["ca_file"].as_string().value();
}

std::string PythonPeer::other_ca_file() const {
  return hello_["other_ca_file"].as_string().value();
}

void PythonPeer::play_rest(const std::vector<std::string>& faults) {
  script("rest", faults, false);
}

void PythonPeer::play_upgrade(const std::vector<std::string>& faults) {
  script("upgrade", faults, false);
}

void PythonPeer::play_monitor(const std::vector<std::string>& streams) {
  script("monitor", streams, false);
}

void PythonPeer::play_lifecycle(const std::vector<std::string>& streams) {
  script("lifecycle", streams, false);
}

void PythonPeer::always_play_rest(const std::string& fault) {
  script("rest", {fault}, true);
}

void PythonPeer::always_play_upgrade(const std::string& fault) {
  script("upgrade", {fault}, true);
}

void PythonPeer::behave() {
  for (const char* what : {"rest", "upgrade", "monitor", "lifecycle"})
    script(what, {}, false);
}

void PythonPeer::redirect_to(const std::string& url) {
  (void)ask({{"ask", "set"}, {"redirect_to", url}});
}

Json::Array PythonPeer::events(std::string_view event, Json::Object like) {
  like["ask"] = "events";
  like["event"] = event;
  return ask(std::move(like)).array();
}

Json::Array PythonPeer::await_events(std::string_view event, int count, Json::Object like,
                                     std::chrono::seconds timeout) {
  like["ask"] = "await";
  like["event"] = event;
  like["count"] = count;
  like["timeout"] = timeout.count();
  const Json answer = ask(std::move(like));
  if (answer.is_null()) {
    throw std::runtime_error("the peer waited in vain for " + std::to_string(count) + " of \"" +
                             std::string(event) + "\"");
  }
  return answer.array();
}

int PythonPeer::count(std::string_view event, Json::Object like) {
  return static_cast<int>(events(event, std::move(like)).size());
}

int PythonPeer::sandboxes_now() {
  return static_cast<int>(ask({{"ask", "sandboxes"}})["now"].array().size());
}

int PythonPeer::sandboxes_ever() {
  return static_cast<int>(ask({{"ask", "sandboxes"}})["ever"].as_int().value());
}

void PythonPeer::script(std::string_view what, const std::vector<std::string>& names, bool repeat) {
  (void)ask({{"ask", "script"}, {"what", what}, {"play", names_of(names)}, {"repeat", repeat}});
}

Json PythonPeer::ask(Json::Object question) {
  process_.write_line(Json(std::move(question)).dump());
  const std::string answer = process_.read_line();
  return Json::parse(answer);
}

}  // namespace test
