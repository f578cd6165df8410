#include "base/scratch.h"

#include <algorithm>

namespace quarry {
namespace {
constexpr size_t kAlignment = 64;
constexpr size_t kFirstChunk = size_t{1} << 20;
}  // namespace

std::byte* Scratch::TakeBytes(size_t bytes) {
  bytes = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  while (chunk_ < chunks_.size() && used_ + bytes > chunks_[chunk_].size()) {
    ++chunk_;
    used_ = 0;
  }
  if (chunk_ == chunks_.size()) {
    const size_t last = chunks_.empty() ? kFirstChunk / 2 : chunks_.back().size();
    chunks_.emplace_back(std::max(bytes, 2 * last));
    used_ = 0;
  }
  std::byte* p = chunks_[chunk_].data() + used_;
  used_ += bytes;
  return p;
}

}  // namespace quarry
