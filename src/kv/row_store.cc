#include "kv/row_store.h"

#include <cstring>

#include "base/check.h"

namespace quarry {

std::byte* RowStore::Append() {
  const auto slab = static_cast<size_t>(size_ / kRowsPerSlab);
  const int64_t in_slab = size_ % kRowsPerSlab;
  if (slab == slabs_.size()) {
    slabs_.push_back(std::make_shared<AlignedBuffer>(row_bytes_ * kRowsPerSlab));
  } else if (slabs_[slab].use_count() > 1) {  // shared with a copy: writing needs our own
    auto own = std::make_shared<AlignedBuffer>(row_bytes_ * kRowsPerSlab);
    std::memcpy(own->data(), slabs_[slab]->data(), static_cast<size_t>(in_slab) * row_bytes_);
    slabs_[slab] = std::move(own);
  }
  ++size_;
  return slabs_[slab]->data() + static_cast<size_t>(in_slab) * row_bytes_;
}

void RowStore::Truncate(int64_t n) {
  QUARRY_CHECK(n >= 0 && n <= size_, "truncated to more rows than there are");
  size_ = n;
  slabs_.resize(static_cast<size_t>((n + kRowsPerSlab - 1) / kRowsPerSlab));
}

}  // namespace quarry
