// A customer's program in miniature: one client from the environment, one request. Prints where the
// client would go, or the code of the error that it got, and which error a sandbox that does not
// exist gave.
#include <iostream>

#include <nullspace/nullspace.hpp>

int main() {
  namespace ns = nullspace;
  try {
    // The address is to be refused for where it comes from, not because it is plain http.
    const ns::Client client({.allow_insecure_http = true});
    std::cout << client.describe() << '\n';
    const bool found = ns::Sandbox::find(client, "sb_none").has_value();
    std::cout << (found ? "found" : "not found") << '\n';
    return 0;
  } catch (const ns::Error& error) {
    std::cout << error.code() << '\n' << error.what() << '\n';
    return 1;
  }
}
