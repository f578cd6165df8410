// An append-only list of fixed-size rows: one per block of a context memory, say its
// representative. Rows lie in slabs of 512, contiguous inside a slab and stable in memory. Copies
// share full slabs.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/aligned_buffer.h"

namespace quarry {

class RowStore {
 public:
  static constexpr int64_t kRowsPerSlab = 512;

  // REQUIRES: row_bytes > 0.
  explicit RowStore(size_t row_bytes) : row_bytes_(row_bytes) {}

  int64_t size() const { return size_; }
  size_t row_bytes() const { return row_bytes_; }

  // A new last row, uninitialised. Throws std::bad_alloc.
  std::byte* Append();
  const std::byte* row(int64_t i) const {
    return slabs_[static_cast<size_t>(i / kRowsPerSlab)]->data() +
           static_cast<size_t>(i % kRowsPerSlab) * row_bytes_;
  }
  // Forgets rows n and later. REQUIRES: 0 <= n <= size().
  void Truncate(int64_t n);

  size_t size_bytes() const { return slabs_.size() * kRowsPerSlab * row_bytes_; }

 private:
  size_t row_bytes_;
  int64_t size_ = 0;
  std::vector<std::shared_ptr<AlignedBuffer>> slabs_;
};

}  // namespace quarry
