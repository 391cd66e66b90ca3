#include <nullspace/sandbox.hpp>

#include <utility>

#include "api/client_core.hpp"
#include "api/rest.hpp"
#include "api/throw.hpp"
#include "wire/sandbox_messages.hpp"

namespace nullspace::inline v0 {

namespace {

HttpResponse fetch_page(const detail::ClientCore& client, const SandboxListOptions& options,
                        std::string_view fields) {
  constexpr wire::Endpoint kList = wire::Endpoint::list_sandboxes;
  std::string query = value_or_throw(wire::encode_list_query(options, fields));
  std::string path = value_or_throw(wire::endpoint_path(kList, client.config().dialect));
  return value_or_throw(call(client, {.endpoint = kList,
                                      .path = std::move(path),
                                      .query = std::move(query),
                                      .stop = options.stop}));
}

}  // namespace

SandboxList Sandbox::list(SandboxListOptions options) {
  return {Client(), std::move(options)};
}

SandboxList Sandbox::list(const Client& client, SandboxListOptions options) {
  return {client, std::move(options)};
}

std::vector<Json> Sandbox::list_fields(const Client& client, const std::vector<std::string>& fields,
                                       SandboxListOptions options) {
  const std::string mask = value_or_throw(wire::fields_mask(fields));
  const HttpResponse answer = fetch_page(*client.core(), options, mask);
  return value_or_throw(wire::decode_sandbox_page_fields(answer.body));
}

SandboxList::SandboxList(Client client, SandboxListOptions options)
    : client_(std::move(client)), options_(std::move(options)) {
  // Asking for pages also where the caller gave no filter: without any parameter the server answers
  // everything at once.
  constexpr int kDefaultPageSize = 100;
  if (!options_.page_size) options_.page_size = kDefaultPageSize;
}

std::optional<SandboxPage> SandboxList::next_page() {
  if (finished_) return std::nullopt;
  const HttpResponse answer = fetch_page(*client_.core(), options_, {});
  SandboxPage page = value_or_throw(wire::decode_sandbox_page(answer.body));
  // A server that hands out a cursor again, at once or in a circle, would be asked for ever.
  finished_ = !page.has_next || page.next_token.empty() || page.next_token == options_.next_token ||
              !cursors_.insert(page.next_token).second;
  options_.next_token = page.next_token;
  return page;
}

std::optional<std::vector<SandboxInfo>> SandboxList::next_items() {
  std::optional<SandboxPage> page = next_page();
  if (!page) return std::nullopt;
  return std::move(page->items);
}

}  // namespace nullspace::inline v0
