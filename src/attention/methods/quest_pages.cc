#include "attention/methods/quest_pages.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/checked_math.h"
#include "kernels/panel.h"

namespace quarry {

using kernels::kPanelTokens;
static_assert(QuestPages::kPagesPerPanel == kPanelTokens);

namespace {

// The smallest bf16 number that is not below x.
float RoundedUp(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  return std::bit_cast<float>((x > 0 ? bits + 0xffffu : bits) & 0xffff0000u);
}

// One page of int8 bounds: codes and scales into `lane` of a panel. sign 1: of the largest keys,
// none below x; -1: of the smallest, none above.
void PackOutwards(const float* x, float sign, int dim, int lane, std::byte* panel) {
  constexpr float kMost = 127;
  auto* codes = reinterpret_cast<int8_t*>(panel) + lane;
  BFloat16* scales = kernels::KeyScales(panel, dim) + lane;
  for (int begin = 0; begin < dim; begin += kernels::kScaleBlock) {
    const int end = std::min(dim, begin + kernels::kScaleBlock);
    const BFloat16 stored = kernels::Int8Scale(x + begin, end - begin);
    scales[begin / kernels::kScaleBlock * kPanelTokens] = stored;
    const float scale = ToFloat(stored);
    for (int d = begin; d < end; ++d) {
      float code = scale > 0 ? std::ceil(sign * x[d] / scale) : 0;
      if (code * scale < sign * x[d]) code += 1;  // the quotient was rounded down
      // Not a number: of an infinite scale, which spoils the page's bound as it should.
      codes[d * kPanelTokens] =
          code == code ? static_cast<int8_t>(sign * std::clamp(code, -kMost, kMost)) : int8_t{0};
    }
  }
}

}  // namespace

DType QuestPages::DTypeOf(Types types) {
  if (types.bounds == PageBoundsType::kInt8) return DType::kI8;
  return types.keys == DType::kI8 ? DType::kBF16 : types.keys;
}

QuestPages::QuestPages(const ModelShape& shape, Types types, int64_t page_size, KvPlane plane)
    : shape_(shape),
      key_dtype_(types.keys),
      dtype_(DTypeOf(types)),
      page_size_(page_size),
      plane_(plane) {}

size_t QuestPages::SideBytes() const { return kernels::KeyPanelBytes(dtype_, shape_.head_dim); }

size_t QuestPages::StateBytes(const ModelShape& shape, Types types, int64_t page_size,
                              TokenPos tokens, int64_t layers) {
  const int64_t panels = CeilDiv(tokens, page_size * kPagesPerPanel);
  return static_cast<size_t>(layers * panels * 2 * shape.kv_heads) *
         kernels::KeyPanelBytes(DTypeOf(types), shape.head_dim);
}

int64_t QuestPages::BytesOf(int64_t pages) const {
  return pages * 2 * shape_.kv_heads * static_cast<int64_t>(SideBytes()) / kPagesPerPanel;
}

void QuestPages::MakeRoom(TokenPos end) {
  const auto panels = static_cast<size_t>(CeilDiv(PagesOf(end), kPagesPerPanel));
  const int64_t open = tokens_ / page_size_ / kPagesPerPanel;  // where the next token goes
  if (static_cast<size_t>(open) < panels_.size() &&
      panels_[static_cast<size_t>(open)].use_count() > 1) {
    auto own = std::make_shared<AlignedBuffer>(PanelBytes());
    std::memcpy(own->data(), panels_[static_cast<size_t>(open)]->data(), PanelBytes());
    panels_[static_cast<size_t>(open)] = std::move(own);
  }
  while (panels_.size() < panels) {
    panels_.push_back(std::make_shared<AlignedBuffer>(PanelBytes()));
    std::memset(panels_.back()->data(), 0, PanelBytes());  // lanes without a page give finite sums
  }
}

void QuestPages::Extend(const KvStore& kv, int layer, TokenPos end, ExecContext& ctx) {
  if (end <= tokens_) return;
  MakeRoom(end);
  // Pieces of whole panels per head, so that writers never meet, and of 128 tokens at least.
  const int64_t panels = CeilDiv(int64_t{128}, kPagesPerPanel * page_size_);
  const int64_t piece_tokens = panels * kPagesPerPanel * page_size_;
  const int64_t first = tokens_ / piece_tokens;
  const int64_t n = CeilDiv(end, piece_tokens) - first;
  ctx.threads().Run(n * shape_.kv_heads, [&](int64_t piece, int worker) {
    const int head = static_cast<int>(piece % shape_.kv_heads);
    const TokenPos begin = (first + piece / shape_.kv_heads) * piece_tokens;
    const TokenPos stop = std::min(end, begin + piece_tokens);
    Scratch& scratch = ctx.scratch(worker);
    Scratch::Scope scope(scratch);
    float* range = scratch.Take<float>(2 * static_cast<size_t>(shape_.head_dim)).data();
    for (TokenPos t = std::max(tokens_, begin); t < stop;) {
      const TokenPos page = t / page_size_ * page_size_;
      const TokenPos next = std::min(stop, page + page_size_);
      ExtendPage(kv, layer, head, {exact() ? t : page, next}, ctx.kernels(), range);
      t = next;
    }
  });
  tokens_ = end;
}

void QuestPages::ExtendPage(const KvStore& kv, int layer, int kv_head, TokenRange tokens,
                            const kernels::KernelTable& kernels, float* range) {
  const int dim = shape_.head_dim;
  float* low = range;
  float* high = range + dim;
  const int64_t page = tokens.begin / page_size_;
  if (tokens.begin == page * page_size_) {
    std::fill_n(low, dim, std::numeric_limits<float>::infinity());
    std::fill_n(high, dim, -std::numeric_limits<float>::infinity());
  } else {
    for (int d = 0; d < dim; ++d) {
      const Range r = At(kv_head, page, d);
      low[d] = r.low;
      high[d] = r.high;
    }
  }
  for (TokenPos t = tokens.begin; t < tokens.end;) {
    const int64_t panel = t / kPanelTokens;
    const TokenPos next = std::min(tokens.end, (panel + 1) * kPanelTokens);
    kernels.key_range(key_dtype_, kv.panel(layer, plane_, kv_head, panel), dim,
                      static_cast<int>(t - panel * kPanelTokens),
                      static_cast<int>(next - panel * kPanelTokens), low, high);
    t = next;
  }
  const int lane = static_cast<int>(page % kPagesPerPanel);
  std::byte* high_side = MutableSide(page / kPagesPerPanel, kv_head, true);
  std::byte* low_side = MutableSide(page / kPagesPerPanel, kv_head, false);
  if (dtype_ == DType::kI8) {
    PackOutwards(high, 1, dim, lane, high_side);
    PackOutwards(low, -1, dim, lane, low_side);
    return;
  }
  for (int d = 0; d < dim && !exact(); ++d) {
    high[d] = RoundedUp(high[d]);
    low[d] = -RoundedUp(-low[d]);
  }
  kernels.pack_keys(dtype_, high, dim, 1, dim, lane, high_side);
  kernels.pack_keys(dtype_, low, dim, 1, dim, lane, low_side);
}

void QuestPages::Bounds(const BoundQuery& q, const kernels::KernelTable& kernels, float* bounds,
                        int64_t stride) const {
  constexpr int64_t kAhead = 2;  // panels
  for (int64_t panel = q.panel_begin; panel < q.panel_end; ++panel) {
    const int64_t ahead = panel + kAhead < q.panel_end ? panel + kAhead : panel;
    kernels.page_bounds({.dtype = dtype_,
                         .head_dim = shape_.head_dim,
                         .rows = q.rows,
                         .up = q.up,
                         .down = q.down,
                         .high = Side(panel, q.kv_head, true),
                         .low = Side(panel, q.kv_head, false),
                         .scores = bounds + panel * kPagesPerPanel,
                         .stride = stride,
                         .ahead_high = Side(ahead, q.kv_head, true),
                         .ahead_low = Side(ahead, q.kv_head, false)});
  }
}

QuestPages::Range QuestPages::At(int kv_head, int64_t page, int channel) const {
  const auto load = [&](bool high) {
    return kernels::LoadKey(dtype_, Side(page / kPagesPerPanel, kv_head, high), shape_.head_dim,
                            static_cast<int>(page % kPagesPerPanel), channel);
  };
  return {load(false), load(true)};
}

void QuestPages::Truncate(TokenPos n) {
  if (n >= tokens_) return;
  tokens_ = n / page_size_ * page_size_;
  panels_.resize(static_cast<size_t>(CeilDiv(pages(), kPagesPerPanel)));
}

}  // namespace quarry
