// libwebsockets 4.1 to current: what differs between versions is said here and nowhere else.
#pragma once

#include <libwebsockets.h>

#include <chrono>

namespace nullspace::inline v0::transport {

// "No user, no group": int in 4.1, uid_t and gid_t later.
inline void keep_user_and_group(lws_context_creation_info& info) noexcept {
  info.uid = static_cast<decltype(info.uid)>(-1);
  info.gid = static_cast<decltype(info.gid)>(-1);
}

inline void schedule(lws_context* context, lws_sorted_usec_list_t& timer, sul_cb_t callback,
                     std::chrono::steady_clock::duration delay) noexcept {
  const auto us = std::chrono::ceil<std::chrono::microseconds>(delay).count();
  lws_sul_schedule(context, 0, &timer, callback, us > 0 ? static_cast<lws_usec_t>(us) : 1);
}

}  // namespace nullspace::inline v0::transport
