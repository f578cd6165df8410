// What Quest remembers of the keys of one layer: for every page of `page_size` tokens and every
// channel, the smallest and the largest key, as stored (Quest, arXiv:2406.10774).
//
// Sixteen pages make a panel that is laid out like a panel of sixteen keys (kernels/panel.h), so
// that a vector register holds one channel of sixteen pages: [kv_heads][largest | smallest][panel].
// The last page may be partial; its summary is that of the tokens seen so far.
//
// Summaries have the type of the keys, so that they are exact; of int8 keys, whose scales differ,
// they are bf16. They may be int8 instead, with a scale for every 32 channels of a page, for half
// the bytes. What is rounded is rounded outwards: a bound stays a bound.
//
// Copies share panels; the one panel that is still being written is copied when one of them goes
// on.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "quarry/attention_config.h"
#include "quarry/types.h"

#include "base/aligned_buffer.h"
#include "base/checked_math.h"
#include "kv/kv_store.h"
#include "ops/exec_context.h"
#include "tensor/dtype.h"
#include "tensor/model_shape.h"

namespace quarry {

class QuestPages {
 public:
  static constexpr int64_t kPagesPerPanel = 16;

  struct Types {
    DType keys;
    PageBoundsType bounds = PageBoundsType::kKeys;
  };
  // `plane`: of the keys, which are rotated or raw.
  QuestPages(const ModelShape& shape, Types types, int64_t page_size,
             KvPlane plane = KvPlane::kRotatedKeys);
  // Of the summaries.
  static DType DTypeOf(Types types);
  // Bytes of the summaries of `tokens` tokens in so many layers.
  static size_t StateBytes(const ModelShape& shape, Types types, int64_t page_size, TokenPos tokens,
                           int64_t layers);

  int64_t page_size() const { return page_size_; }
  // Tokens that are summarised.
  TokenPos tokens() const { return tokens_; }
  int64_t pages() const { return PagesOf(tokens_); }
  // Pages that `tokens` tokens touch.
  int64_t PagesOf(TokenPos tokens) const { return CeilDiv(tokens, page_size_); }

  // Summarises tokens [tokens(), end) of `layer`, which the store holds.
  void Extend(const KvStore& kv, int layer, TokenPos end, ExecContext& ctx);

  // bounds[r * stride + p] for rows r of a query and pages p of [panel_begin, panel_end) * 16: the
  // largest product q . k, not scaled, that a key of page p can have; whole panels are written.
  // `up`, `down`: [rows][head_dim], max(q, 0) and min(q, 0) of rotated queries.
  struct BoundQuery {
    int kv_head;
    int rows;
    const float* up;
    const float* down;
    int64_t panel_begin, panel_end;
  };
  void Bounds(const BoundQuery& query, const kernels::KernelTable& kernels, float* bounds,
              int64_t stride) const;

  // One channel of one page, [smallest, largest]. REQUIRES: page < pages().
  struct Range {
    float low, high;
  };
  Range At(int kv_head, int64_t page, int channel) const;

  // Forgets tokens n and later, and those of n's page: Extend reads the page again.
  void Truncate(TokenPos n);

  // Bytes of the panels this object refers to, shared ones included.
  size_t size_bytes() const { return panels_.size() * PanelBytes(); }
  // Bytes that scoring `pages` pages of every KV head reads, without the padding of panels.
  int64_t BytesOf(int64_t pages) const;

 private:
  size_t SideBytes() const;  // smallest or largest keys of one head's panel
  size_t PanelBytes() const { return 2 * static_cast<size_t>(shape_.kv_heads) * SideBytes(); }
  const std::byte* Side(int64_t panel, int kv_head, bool high) const {
    return panels_[static_cast<size_t>(panel)]->data() +
           (2 * static_cast<size_t>(kv_head) + (high ? 0 : 1)) * SideBytes();
  }
  std::byte* MutableSide(int64_t panel, int kv_head, bool high) {
    return const_cast<std::byte*>(Side(panel, kv_head, high));
  }
  void MakeRoom(TokenPos end);
  // What is rounded cannot be extended: the page is read again from its beginning.
  bool exact() const { return dtype_ == key_dtype_ && dtype_ != DType::kI8; }
  // Tokens [begin, end) of one page, of which those before `begin` are summarised.
  void ExtendPage(const KvStore& kv, int layer, int kv_head, TokenRange tokens,
                  const kernels::KernelTable& kernels, float* range);

  ModelShape shape_;
  DType key_dtype_;
  DType dtype_;  // of the summaries
  int64_t page_size_;
  KvPlane plane_;
  TokenPos tokens_ = 0;
  std::vector<std::shared_ptr<AlignedBuffer>> panels_;
};

}  // namespace quarry
