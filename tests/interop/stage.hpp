#pragma once

#include <functional>
#include <stdexcept>
#include <string>
#include <utility>

#include <nullspace/nullspace.hpp>

#include "tests/support/python_peer.hpp"

namespace test {

namespace ns = nullspace;

// What a client needs to talk to the peer; everything else is as customers have it.
inline ns::ClientOptions options_for(const PythonPeer& peer) {
  ns::ClientOptions options;
  options.api_key = ns::Secret(PythonPeer::key());
  options.base_url = peer.url();
  return options;
}

// A peer with one sandbox in it.
struct Stage {
  explicit Stage(const std::function<void(ns::ClientOptions&)>& adjust = {},
                 const std::vector<std::string>& peer_arguments = {})
      : peer(peer_arguments),
        client([&] {
          ns::ClientOptions options = options_for(peer);
          if (adjust) adjust(options);
          return options;
        }()),
        sandbox(ns::Sandbox::create(client)) {}

  PythonPeer peer;
  ns::Client client;
  ns::Sandbox sandbox;
};

// For what a loss means when it is the end.
inline void without_reconnect(ns::ClientOptions& options) {
  options.reconnect.enabled = false;
}

// The Error that a call must end with.
template <typename Call>
ns::Error error_of(Call&& call) {
  try {
    (void)std::forward<Call>(call)();
  } catch (const ns::Error& error) {
    return error;
  }
  throw std::runtime_error("the call ended well, but an Error was expected");
}

}  // namespace test
