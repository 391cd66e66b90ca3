#pragma once

#include <string_view>

namespace nullspace::local {

// Whether an address or a Host header (with or without a port) can only mean this machine. A
// browser that was led here by a rebound DNS name sends that name.
bool is_loopback_host(std::string_view host);

}  // namespace nullspace::local
