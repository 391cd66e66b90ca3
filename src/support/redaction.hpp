// What may be shown of a URL: enough to recognise it, nothing that opens a door.
#pragma once

#include <string>
#include <string_view>

namespace nullspace::inline v0::support {

// Drops user info and fragment and replaces the values of query parameters by `***`, except those
// that are known to be harmless (paging, filters, channel). An allow list: a parameter nobody
// thought of is hidden.
[[nodiscard]] std::string redact_url(std::string_view url);

}  // namespace nullspace::inline v0::support
