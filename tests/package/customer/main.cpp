#include <nullspace/nullspace.hpp>

#include <iostream>

namespace ns = nullspace;

// Uses what a shared library easily fails to export: the code of a class, its exception's type
// information, and the check that headers and binary belong together.
int main() {
  ns::check_library_version();
  const ns::Client client{{.api_key = ns::Secret{"a-key"}, .base_url = "http://127.0.0.1:9"}};
  try {
    (void)ns::Sandbox::create(client, {.template_id = "base", .cwd = "not/absolute"});
  } catch (const ns::Error& error) {
    if (error.kind() != ns::ErrorKind::invalid_request) return 1;
    std::cout << "nullspace " << ns::library_version() << ": " << error.what() << '\n';
    return client.is_healthy() ? 1 : 0;
  }
  return 1;
}
