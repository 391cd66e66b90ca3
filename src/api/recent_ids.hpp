// Whether an id came before, among the last few thousand.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_set>

namespace nullspace::inline v0 {

class RecentIds {
 public:
  static constexpr std::size_t kDefaultCapacity = 4'096;

  explicit RecentIds(std::size_t capacity = kDefaultCapacity) : capacity_(capacity) {}

  RecentIds(const RecentIds&) = delete;
  RecentIds& operator=(const RecentIds&) = delete;

  // False when it is one of the last `capacity` ids that were added; true otherwise, and it is
  // added.
  bool add(std::string_view id) {
    if (contains(id)) return false;
    if (order_.size() == capacity_) {
      known_.erase(order_.front());
      order_.pop_front();
    }
    // The views point into the strings of a deque, which stay where they are.
    known_.insert(order_.emplace_back(id));
    return true;
  }

  [[nodiscard]] bool contains(std::string_view id) const { return known_.contains(id); }
  [[nodiscard]] std::size_t size() const noexcept { return order_.size(); }

 private:
  std::size_t capacity_;
  std::deque<std::string> order_{};
  std::unordered_set<std::string_view> known_{};
};

}  // namespace nullspace::inline v0
