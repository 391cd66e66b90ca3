// The words for the public enumerations.
#include <nullspace/error.hpp>
#include <nullspace/lifecycle_event.hpp>
#include <nullspace/sandbox_info.hpp>
#include <nullspace/stream_state.hpp>
#include <nullspace/webhook.hpp>

namespace nullspace::inline v0 {

std::string_view to_string(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::authentication:
      return "authentication";
    case ErrorKind::permission:
      return "permission";
    case ErrorKind::quota_exceeded:
      return "quota_exceeded";
    case ErrorKind::conflict:
      return "conflict";
    case ErrorKind::not_found:
      return "not_found";
    case ErrorKind::rate_limit:
      return "rate_limit";
    case ErrorKind::upload:
      return "upload";
    case ErrorKind::build:
      return "build";
    case ErrorKind::not_implemented:
      return "not_implemented";
    case ErrorKind::server:
      return "server";
    case ErrorKind::invalid_request:
      return "invalid_request";
    case ErrorKind::transport:
      return "transport";
    case ErrorKind::timeout:
      return "timeout";
    case ErrorKind::cancelled:
      return "cancelled";
    case ErrorKind::invalid_response:
      return "invalid_response";
    case ErrorKind::limit_exceeded:
      return "limit_exceeded";
    case ErrorKind::callback:
      return "callback";
  }
  return "unknown";
}

std::string_view to_string(Deadline deadline) noexcept {
  switch (deadline) {
    case Deadline::connect:
      return "connect";
    case Deadline::caller:
      return "caller";
    case Deadline::command:
      return "command";
  }
  return "unknown";
}

std::string_view to_string(StreamState state) noexcept {
  switch (state) {
    case StreamState::connecting:
      return "connecting";
    case StreamState::connected:
      return "connected";
    case StreamState::reconnecting:
      return "reconnecting";
    case StreamState::closed:
      return "closed";
  }
  return "unknown";
}

std::string_view to_string(SandboxStatus status) noexcept {
  switch (status) {
    case SandboxStatus::creating:
      return "creating";
    case SandboxStatus::running:
      return "running";
    case SandboxStatus::paused:
      return "paused";
    case SandboxStatus::destroyed:
      return "destroyed";
    case SandboxStatus::error:
      return "error";
    case SandboxStatus::unknown:
      break;
  }
  return "unknown";
}

std::string_view to_string(TimeoutAction action) noexcept {
  switch (action) {
    case TimeoutAction::destroy:
      return "destroy";
    case TimeoutAction::hibernate:
      return "hibernate";
    case TimeoutAction::unknown:
      break;
  }
  return "unknown";
}

std::string_view to_string(LifecycleOperation operation) noexcept {
  switch (operation) {
    case LifecycleOperation::create:
      return "create";
    case LifecycleOperation::destroy:
      return "destroy";
    case LifecycleOperation::timeout_updated:
      return "timeout_updated";
    case LifecycleOperation::timeout_expired:
      return "timeout_expired";
    case LifecycleOperation::hibernate:
      return "hibernate";
    case LifecycleOperation::snapshot_created:
      return "snapshot_created";
    case LifecycleOperation::resume_from_snapshot:
      return "resume_from_snapshot";
    case LifecycleOperation::fork:
      return "fork";
    case LifecycleOperation::reconcile:
      return "reconcile";
    case LifecycleOperation::unknown:
      break;
  }
  return "unknown";
}

std::string_view to_string(LifecycleStatus status) noexcept {
  switch (status) {
    case LifecycleStatus::requested:
      return "requested";
    case LifecycleStatus::succeeded:
      return "succeeded";
    case LifecycleStatus::failed:
      return "failed";
    case LifecycleStatus::unknown:
      break;
  }
  return "unknown";
}

std::string_view to_string(LifecycleAudience audience) noexcept {
  switch (audience) {
    case LifecycleAudience::customer:
      return "customer";
    case LifecycleAudience::internal:
      return "internal";
    case LifecycleAudience::unknown:
      break;
  }
  return "unknown";
}

std::string_view to_string(LifecycleActor actor) noexcept {
  switch (actor) {
    case LifecycleActor::user:
      return "user";
    case LifecycleActor::system:
      return "system";
    case LifecycleActor::reconcile:
      return "reconcile";
    case LifecycleActor::unknown:
      break;
  }
  return "unknown";
}

std::string_view to_string(DeliveryStatus status) noexcept {
  switch (status) {
    case DeliveryStatus::queued:
      return "queued";
    case DeliveryStatus::in_progress:
      return "in_progress";
    case DeliveryStatus::succeeded:
      return "succeeded";
    case DeliveryStatus::dead_letter:
      return "dead_letter";
    case DeliveryStatus::unknown:
      break;
  }
  return "unknown";
}

}  // namespace nullspace::inline v0
