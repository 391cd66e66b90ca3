/// @file
/// What the service hands out page by page, as one range.
#pragma once

#include <cstddef>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

namespace nullspace::inline v0 {

/// The common part of SandboxList, LifecycleEventList and WebhookDeliveryList: `for (const Item&
/// item : list)` fetches the next page when the items of the last one are used up. Nothing is asked
/// before you iterate; iterating throws Error like any request. Single pass; not thread-safe.
template <typename List, typename Item>
class PagedRange {
 public:
  /// An input iterator. Valid as long as the list is neither moved nor destroyed.
  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Item;
    using difference_type = std::ptrdiff_t;
    using pointer = const Item*;
    using reference = const Item&;

    Iterator() = default;
    [[nodiscard]] const Item& operator*() const noexcept {
      return range_->items_[range_->position_];
    }
    [[nodiscard]] const Item* operator->() const noexcept { return &**this; }
    Iterator& operator++() {
      ++range_->position_;
      range_->fill();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& it, std::default_sentinel_t /*end*/) noexcept {
      return it.at_end();
    }

   private:
    friend class PagedRange;
    explicit Iterator(PagedRange& range) : range_(&range) { range_->fill(); }
    [[nodiscard]] bool at_end() const noexcept {
      return range_ == nullptr || range_->position_ >= range_->items_.size();
    }
    PagedRange* range_{nullptr};
  };

  [[nodiscard]] Iterator begin() { return Iterator(*this); }
  [[nodiscard]] static std::default_sentinel_t end() noexcept { return {}; }
  /// Everything that is left, in one vector.
  [[nodiscard]] std::vector<Item> to_vector() {
    std::vector<Item> all;
    for (const Item& item : *this)
      all.push_back(item);
    return all;
  }

 private:
  // List has `std::optional<std::vector<Item>> next_items()`: the items of the next page, nothing
  // after the last.
  friend List;
  PagedRange() = default;

  // Fetches pages until there is an item at position_ or nothing is left.
  void fill() {
    while (position_ >= items_.size()) {
      std::optional<std::vector<Item>> next = static_cast<List&>(*this).next_items();
      if (!next) return;
      items_ = *std::move(next);
      position_ = 0;
    }
  }

  std::vector<Item> items_{};
  std::size_t position_{0};
};

}  // namespace nullspace::inline v0
