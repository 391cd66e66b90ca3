/// @file
/// The whole SDK.
#pragma once

#include <nullspace/client.hpp>
#include <nullspace/commands.hpp>
#include <nullspace/dialect.hpp>
#include <nullspace/error.hpp>
#include <nullspace/json.hpp>
#include <nullspace/lifecycle.hpp>
#include <nullspace/lifecycle_event.hpp>
#include <nullspace/log.hpp>
#include <nullspace/monitor.hpp>
#include <nullspace/paged_range.hpp>
#include <nullspace/pty.hpp>
#include <nullspace/sandbox.hpp>
#include <nullspace/sandbox_info.hpp>
#include <nullspace/secret.hpp>
#include <nullspace/stream_state.hpp>
#include <nullspace/subscription.hpp>
#include <nullspace/transport.hpp>
#include <nullspace/version.hpp>
#include <nullspace/webhook.hpp>
#include <nullspace/webhook_signature.hpp>
