#include "attention/gather.h"

#include <algorithm>
#include <cstring>

#include "kernels/panel.h"

namespace quarry {
namespace {

using kernels::kPanelTokens;

// A key's unit in a panel is one channel, a pair of bf16 channels, or a scale. Units begin `offset`
// bytes into the panel.
template <typename Unit>
void GatherKeys(const GatherSource& s, int units, std::span<const TokenPos> tokens, std::byte* out,
                size_t offset = 0) {
  auto* to = reinterpret_cast<Unit*>(out + offset);
  for (size_t i = 0; i < tokens.size(); ++i) {
    const auto* from =
        reinterpret_cast<const Unit*>(
            s.kv->panel(s.layer, s.keys, s.kv_head, tokens[i] / kPanelTokens) + offset) +
        tokens[i] % kPanelTokens;
    for (int u = 0; u < units; ++u) {
      to[u * kPanelTokens + static_cast<int>(i)] = from[u * kPanelTokens];
    }
  }
}

template <typename Element>
void GatherValues(const GatherSource& s, std::span<const TokenPos> tokens, std::byte* out) {
  const int stride = kernels::ValueStride(s.head_dim);
  auto* to = reinterpret_cast<Element*>(out);
  for (size_t i = 0; i < tokens.size(); ++i) {
    const auto* from = reinterpret_cast<const Element*>(
        s.kv->panel(s.layer, KvPlane::kValues, s.kv_head, tokens[i] / kPanelTokens));
    const int lane = static_cast<int>(tokens[i] % kPanelTokens);
    for (int c = 0; c < s.head_dim; ++c) {
      to[kernels::ValueIndex(s.dtype, stride, static_cast<int>(i), c)] =
          from[kernels::ValueIndex(s.dtype, stride, lane, c)];
    }
  }
}

void GatherValueScales(const GatherSource& s, std::span<const TokenPos> tokens, std::byte* out) {
  const int blocks = kernels::ScaleBlocks(s.head_dim);
  auto* to = const_cast<BFloat16*>(kernels::ValueScales(out, s.head_dim));
  for (size_t i = 0; i < tokens.size(); ++i) {
    const std::byte* panel =
        s.kv->panel(s.layer, KvPlane::kValues, s.kv_head, tokens[i] / kPanelTokens);
    const BFloat16* from = kernels::ValueScales(panel, s.head_dim) + tokens[i] % kPanelTokens;
    for (int b = 0; b < blocks; ++b)
      to[b * kPanelTokens + static_cast<int>(i)] = from[b * kPanelTokens];
  }
}

}  // namespace

void GatherPanel(const GatherSource& s, std::span<const TokenPos> tokens, std::byte* keys,
                 std::byte* values) {
  std::memset(keys, 0, kernels::KeyPanelBytes(s.dtype, s.head_dim));
  std::memset(values, 0, kernels::ValuePanelBytes(s.dtype, s.head_dim));
  switch (s.dtype) {
    case DType::kF32:
      GatherKeys<float>(s, s.head_dim, tokens, keys);
      return GatherValues<float>(s, tokens, values);
    case DType::kF16:
      GatherKeys<uint16_t>(s, s.head_dim, tokens, keys);
      return GatherValues<uint16_t>(s, tokens, values);
    case DType::kBF16:
      GatherKeys<uint32_t>(s, s.head_dim / 2, tokens, keys);
      return GatherValues<uint16_t>(s, tokens, values);
    case DType::kI8:
      GatherKeys<int8_t>(s, s.head_dim, tokens, keys);
      GatherKeys<uint16_t>(s, kernels::ScaleBlocks(s.head_dim), tokens, keys,
                           static_cast<size_t>(kPanelTokens * s.head_dim));
      GatherValues<int8_t>(s, tokens, values);
      return GatherValueScales(s, tokens, values);
  }
}

}  // namespace quarry
