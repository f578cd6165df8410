#include "tests/support/plan_runs.h"

#include <algorithm>
#include <cmath>
#include <new>
#include <utility>

namespace quarry {
namespace {

std::vector<double> Frequencies(const RotationSpec& spec, int dim) {
  const int rotated = spec.rotated == 0 ? dim : spec.rotated;
  return PlainFrequencies(rotated, spec.base, 1);
}

KvStore FilledStore(const LayerInputs& in, DType dtype, const Rope& rope, ExecContext& ctx) {
  KvStore kv(MakeKvLayout(in.shape, dtype, {PlaneRule::All(), PlaneRule::All(), PlaneRule::All()}));
  if (!kv.Reserve(in.tokens).ok()) throw std::bad_alloc();
  std::vector<float> cos(static_cast<size_t>(in.tokens * rope.pairs())), sin(cos.size());
  rope.Angles(0, in.tokens, cos.data(), sin.data());
  AppendRows(kv, 0, in.shape, dtype, rope,
             {.first = 0,
              .n = in.tokens,
              .keys = in.k.data(),
              .values = in.v.data(),
              .stride = in.kv_width(),
              .cos = cos.data(),
              .sin = sin.data()},
             ctx);
  kv.Advance(in.tokens);
  return kv;
}

bool Sees(const Segment& s, TokenPos query, TokenPos key) {
  return key >= query - s.mask.before && key <= query - s.mask.after;
}

bool Covers(const Segment& s, int head, int row) {
  return head >= s.heads.begin && head < s.heads.end && row >= s.rows.begin && row < s.rows.end;
}

int64_t Distance(const PositionRule& rule, TokenPos query, TokenPos key) {
  return rule.query.value_or(query) - (rule.keys == KvPlane::kRawKeys ? 0 : key);
}

// The tokens of its column list that a segment sees, with their places in the list.
std::vector<std::pair<int64_t, TokenPos>> ListedKeys(const AttentionPlan& plan, const Segment& s) {
  std::vector<std::pair<int64_t, TokenPos>> keys;
  plan.ForEachListPanel(s, [&](int64_t panel, uint32_t lanes) {
    const auto& list = plan.column_lists()[static_cast<size_t>(plan.column_list(s))];
    for (int64_t i = 0; i < kTokensPerPanel; ++i) {
      const int64_t place = panel * kTokensPerPanel + i;
      if (lanes >> i & 1u) keys.emplace_back(place, plan.tokens(list)[static_cast<size_t>(place)]);
    }
  });
  return keys;
}

Mask RandomMask(Rng& rng, int tokens) {
  const auto width = 1 + static_cast<int64_t>(rng.Below(static_cast<uint64_t>(tokens)));
  const Mask masks[] = {Mask::Causal(), Mask::Band(width), Mask::Beyond(width), Mask::None()};
  return masks[rng.Below(4)];
}

PositionRule RandomRule(Rng& rng) {
  const auto at = static_cast<TokenPos>(rng.Below(300));
  const PositionRule rules[] = {PositionRule::Absolute(), PositionRule::Capped(at),
                                PositionRule::Slot(at)};
  return rules[rng.Below(3)];
}

IndexRange RandomRange(Rng& rng, int n) {
  if (rng.Below(2) == 0) return {0, n};
  const int begin = static_cast<int>(rng.Below(static_cast<uint64_t>(n)));
  return {begin, begin + 1 + static_cast<int>(rng.Below(static_cast<uint64_t>(n - begin)))};
}

}  // namespace

PlanRunner::PlanRunner(const LayerInputs& in, DType dtype, const kernels::KernelTable& kernels,
                       int threads, const RotationSpec& rotation)
    : in_(in),
      dtype_(dtype),
      spec_(rotation),
      rotation_(Frequencies(rotation, in.shape.head_dim), rotation.magnitude),
      k_(in.k_rows()),
      v_(in.v_rows()),
      rope_(Frequencies(rotation, in.shape.head_dim), rotation.magnitude, in.shape.head_dim),
      kv_(KvLayout{}),
      ctx_(kernels, threads) {
  kv_ = FilledStore(in_, dtype_, rope_, ctx_);
}

std::vector<float> PlanRunner::Run(const AttentionPlan& plan, TokenPos first, int rows) {
  // NaN where nothing is written.
  std::vector<float> out(static_cast<size_t>(rows * in_.q_width()), NAN);
  std::vector<float> cos(static_cast<size_t>(rows * rope_.pairs())), sin(cos.size());
  rope_.Angles(first, rows, cos.data(), sin.data());
  executor_.Execute(plan,
                    {.layer = 0,
                     .shape = &in_.shape,
                     .kv_dtype = dtype_,
                     .kv = &kv_,
                     .rope = &rope_,
                     .first = first,
                     .n_rows = rows,
                     .q = in_.q.data() + first * in_.q_width(),
                     .q_stride = in_.q_width(),
                     .cos = cos.data(),
                     .sin = sin.data(),
                     .out = out.data(),
                     .out_stride = in_.q_width()},
                    ctx_);
  return out;
}

// key_index: of the terms of `segment`, their places in its key order; -1 for other segments'.
reference::Attention PlanRunner::Row(const AttentionPlan& plan, TokenPos first, int row, int head,
                                     size_t segment, std::vector<int64_t>* key_index) const {
  std::vector<reference::Term> terms;
  for (size_t s = 0; s < plan.segments().size(); ++s) {
    const Segment& seg = plan.segments()[s];
    if (!Covers(seg, head, row)) continue;
    int64_t index = 0;
    const auto add = [&](TokenPos key) {
      terms.push_back({key, Distance(seg.position, first + row, key)});
      if (key_index != nullptr) key_index->push_back(s == segment ? index : -1);
    };
    for (const TokenRange& span : plan.spans(seg)) {
      for (TokenPos t = span.begin; t < span.end; ++t, ++index) {
        if (Sees(seg, first + row, t)) add(t);
      }
    }
    for (TokenPos t : plan.columns(seg)) {
      add(t);
      ++index;
    }
    for (const auto& [place, t] : ListedKeys(plan, seg)) {
      index += place;
      add(t);
      index -= place;
    }
  }
  std::vector<double> q(in_.q.begin() + (first + row) * in_.q_width(),
                        in_.q.begin() + (first + row + 1) * in_.q_width());
  return reference::MaskedAttention(rotation_, q.data() + head * in_.shape.head_dim, k_, v_,
                                    head / in_.shape.group(), terms);
}

std::vector<double> PlanRunner::Expected(const AttentionPlan& plan, TokenPos first,
                                         int rows) const {
  std::vector<double> out;
  for (int r = 0; r < rows; ++r) {
    for (int h = 0; h < in_.shape.heads; ++h) {
      const reference::Attention a = Row(plan, first, r, h, 0, nullptr);
      out.insert(out.end(), a.out.begin(), a.out.end());
    }
  }
  return out;
}

std::vector<double> PlanRunner::ExpectedScores(const AttentionPlan& plan, size_t segment, int head,
                                               TokenPos first, int rows) const {
  std::vector<double> scores(static_cast<size_t>(plan.KeyCount(plan.segments()[segment])));
  for (int r = 0; r < rows; ++r) {
    std::vector<int64_t> index;
    const reference::Attention a = Row(plan, first, r, head, segment, &index);
    for (size_t i = 0; i < index.size(); ++i) {
      if (index[i] >= 0) scores[static_cast<size_t>(index[i])] += a.probability[i];
    }
  }
  return scores;
}

AttentionBounds PlanRunner::Bounds(int64_t keys) const {
  return BoundsOf({.dtype = dtype_,
                   .kernels = &ctx_.kernels(),
                   .head_dim = in_.shape.head_dim,
                   .keys = keys,
                   .q_norm = in_.q_norm(),
                   .k_norm = in_.k_norm(),
                   .v_max = in_.v_max(),
                   .magnitude = spec_.magnitude});
}

AttentionPlan RandomPlan(Rng& rng, const ModelShape& shape, TokenPos first, int rows, int tokens) {
  AttentionPlan plan;
  // The executor cuts such plans another way.
  const bool every_head_alone = rng.Below(3) == 0;
  for (uint64_t n = 1 + rng.Below(every_head_alone ? 12 : 4); n > 0; --n) {
    Segment s = {.heads = RandomRange(rng, shape.heads),
                 .rows = RandomRange(rng, rows),
                 .mask = RandomMask(rng, tokens),
                 .position = RandomRule(rng),
                 .want_scores = rng.Below(2) == 0};
    const bool with_list = rng.Below(3) == 0;
    if (every_head_alone || with_list) s.heads.end = s.heads.begin + 1;
    if (every_head_alone) s.want_scores = false;
    plan.Add(s);
    std::vector<TokenPos> columns;
    for (TokenPos t = static_cast<TokenPos>(rng.Below(40)); t < tokens;) {
      const auto end = std::min<TokenPos>(tokens, t + static_cast<TokenPos>(rng.Below(60)));
      if (rng.Below(3) != 0) {
        plan.AddSpan({t, end});
      } else if (!with_list) {
        for (; t < end; t += 1 + static_cast<TokenPos>(rng.Below(9))) {
          if (Sees(s, first + s.rows.begin, t) && Sees(s, first + s.rows.end - 1, t)) {
            columns.push_back(t);
          }
        }
      }
      t = std::max(t, end) + static_cast<TokenPos>(rng.Below(20));
    }
    for (TokenPos t : columns) plan.AddColumn(t);
    if (!with_list) continue;
    // Listed tokens may lie in spans, which then have them.
    std::vector<TokenPos> listed;
    for (TokenPos t = 0; t < tokens; ++t) {
      if (rng.Below(4) == 0) listed.push_back(t);
    }
    const int list = plan.AddColumnList(s.heads.begin / shape.group(), s.position.keys, listed);
    const auto begin = static_cast<TokenPos>(rng.Below(30));
    const auto end = static_cast<TokenPos>(rng.Below(static_cast<uint64_t>(tokens) + 1));
    plan.UseColumnList(list, {rng.Below(2) == 0 ? 0 : begin, end});
  }
  return plan;
}

int64_t MostKeys(const AttentionPlan& plan, const ModelShape& shape, TokenPos first, int rows) {
  int64_t most = 0;
  for (int h = 0; h < shape.heads; ++h) {
    for (int r = 0; r < rows; ++r) {
      int64_t keys = 0;
      for (const Segment& s : plan.segments()) {
        if (!Covers(s, h, r)) continue;
        for (const TokenRange& span : plan.spans(s)) {
          for (TokenPos t = span.begin; t < span.end; ++t) keys += Sees(s, first + r, t) ? 1 : 0;
        }
        keys += static_cast<int64_t>(plan.columns(s).size() + ListedKeys(plan, s).size());
      }
      most = std::max(most, keys);
    }
  }
  return most;
}

}  // namespace quarry
