#include "local/server/faults/fault_injector.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "local/server/faults/damage.hpp"

namespace nullspace::local {

namespace {

constexpr std::string_view kHeader = "x-nullspace-fault";

SocketChannel channel_of(const HttpRequest& http) {
  const std::vector<std::string>& segments = http.target.segments;
  if (segments.size() < 3 || segments.back() != "ws") return SocketChannel::none;
  const std::string& before = segments[segments.size() - 2];
  if (before == "lifecycle") return SocketChannel::lifecycle;
  if (before == "monitor") return SocketChannel::monitor;
  const auto query = http.target.query.find("channel");
  if (query == http.target.query.end()) return SocketChannel::control;
  return socket_channel_of(query->second).value_or(SocketChannel::control);
}

std::string sandbox_of(const HttpRequest& http) {
  const std::vector<std::string>& segments = http.target.segments;
  const bool of_one =
      segments.size() > 2 && (segments[1] == "sandboxes" || segments[1] == "machines");
  return of_one ? segments[2] : std::string();
}

RequestFacts facts_of(const HttpRequest& http) {
  RequestFacts facts;
  facts.method = http.method;
  facts.segments = http.target.segments;
  facts.sandbox_id = sandbox_of(http);
  facts.body_bytes = http.body.size();
  facts.websocket = http.wants_websocket();
  if (facts.websocket) facts.channel = channel_of(http);
  return facts;
}

std::string usual_code(int status) {
  switch (status) {
    case 400:
      return "invalid_request";
    case 401:
      return "unauthorized";
    case 403:
      return "forbidden";
    case 404:
      return "not_found";
    case 409:
      return "conflict";
    case 429:
      return "rate_limit_exceeded";
    case 500:
      return "internal_error";
    case 501:
      return "not_implemented";
    case 502:
      return "bad_gateway";
    case 503:
      return "service_unavailable";
    case 504:
      return "gateway_timeout";
    default:
      return "injected_fault";
  }
}

HttpResponse answer_of(const Fault& fault, const Request& request) {
  HttpResponse response;
  if (fault.body) {
    response.status = fault.number;
    response.body = *fault.body;
    response.content_type = fault.content_type;
  } else {
    const std::string code = fault.code.empty() ? usual_code(fault.number) : fault.code;
    response = error_response(api_error(fault.number, code, "a fault that was asked for"),
                              request.dialect, request.request_id);
  }
  if (fault.number == 401) response.headers.emplace_back("www-authenticate", "Bearer");
  if (!fault.retry_after.empty()) response.headers.emplace_back("retry-after", fault.retry_after);
  return response;
}

// What is to become of the answer that the service will give.
AnswerFault answer_fault(const Fault& fault) {
  AnswerFault answer;
  answer.after_bytes = fault.after_bytes;
  if (fault.kind == FaultKind::stall) {
    answer.cut = SocketStream::Cut::stall;
    answer.stall = fault.time;
  } else if (fault.kind == FaultKind::broken_stream) {
    answer.cut = SocketStream::Cut::end;
    answer.in_the_middle = !fault.after_bytes;
  }
  return answer;
}

}  // namespace

void FaultInjector::pass(const RequestPtr& request, const Serve& serve) {
  Counts& counts = counts_[request->account];
  ++counts.requests;
  const bool websocket = request->http.wants_websocket();
  if (websocket) ++counts.websockets;
  const auto header = by_header_ ? request->http.header(kHeader) : std::nullopt;
  auto owner = std::make_shared<ConnectionOwner>();
  owner->account = request->account;
  // Rules may come while a WebSocket is open, but not while a request is on its way.
  if (header || websocket || !book_.idle()) {
    owner->facts = facts_of(request->http);
  } else {
    owner->facts.sandbox_id = sandbox_of(request->http);
  }
  std::vector<Fault> faults;
  if (header) {
    auto own = read_fault_header(*header);
    if (const auto* problem = std::get_if<std::string>(&own)) {
      return request->fail(invalid_request(std::string(kHeader) + ": " + *problem));
    }
    owner->faults = std::get<std::vector<FaultRule>>(std::move(own));
    faults = FaultList(owner->faults).at_request(owner->facts);
  }
  // The first one that is no delay happens; whatever comes behind it is not asked.
  const bool decided = !faults.empty() && faults.back().kind != FaultKind::delay;
  if (!decided && !book_.idle()) {
    const auto more = book_.of(request->account).at_request(owner->facts);
    faults.insert(faults.end(), more.begin(), more.end());
  }
  request->responder.set_owner(owner);
  if (faults.empty()) return serve(request);
  inject(request, faults, serve);
}

void FaultInjector::inject(const RequestPtr& request, const std::vector<Fault>& faults,
                           const Serve& serve) {
  Clock::duration delay{};
  for (const Fault& fault : faults) {
    if (fault.kind == FaultKind::delay) delay += fault.time;
  }
  for (const Fault& fault : faults) {
    switch (fault.kind) {
      case FaultKind::answer:
        return serve_after(delay, request, [fault](const RequestPtr& late) {
          late->responder.send(answer_of(fault, *late));
        });
      case FaultKind::reset:
        if (!fault.before_answer && !fault.after_bytes) {
          return serve_after(delay, request,
                             [](const RequestPtr& late) { late->responder.reset(); });
        }
        request->responder.spoil(answer_fault(fault));
        break;
      case FaultKind::broken_stream:
      case FaultKind::stall:
        request->responder.spoil(answer_fault(fault));
        break;
      case FaultKind::garbage_json:
        request->responder.decorate(
            [](HttpResponse& response) { response.body = garbage_json(response.body); });
        break;
      case FaultKind::bad_utf8:
        request->responder.decorate(
            [](HttpResponse& response) { response.body = bad_utf8(response.body); });
        break;
      default:
        break;
    }
  }
  serve_after(delay, request, serve);
}

void FaultInjector::serve_after(Clock::duration delay, const RequestPtr& request,
                                const Serve& serve) {
  if (delay <= Clock::duration::zero()) return serve(request);
  const std::uint64_t key = ++last_delay_;
  auto timer = std::make_unique<Timer>(loop_);
  timer->start(delay, [this, key, request, serve] {
    serve(request);
    delays_.erase(key);
  });
  delays_.emplace(key, std::move(timer));
}

FaultInjector::Counts FaultInjector::counts(AccountId account) const {
  const auto found = counts_.find(account);
  return found == counts_.end() ? Counts{} : found->second;
}

}  // namespace nullspace::local
