#include "attention/methods/adaptive_budget.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/checked_math.h"
#include "kernels/panel.h"

namespace quarry {
namespace {

using kernels::KeyPanel;
using kernels::kPanelTokens;

constexpr int kProbeRows = 8;
constexpr int64_t kSamples = 32;
// The first stratum, where no block is taken in any case.
constexpr int64_t kFirstStratum = 8;
// Keys whose masses are summed by one call of the kernel.
constexpr int64_t kPieceKeys = 2048;

// A measured block, which stands for itself and those that rank just before it: ranks [begin, end).
struct Sample {
  int32_t block;
  int64_t begin, end;
};

// The samples of one unit, best first: all blocks of the least budget, then those of the strata.
std::vector<Sample> SampleRanks(const float* scores, int64_t n, int64_t least, ExecContext& ctx) {
  std::vector<Sample> samples;
  std::vector<int32_t> before, upto, stratum;
  for (int64_t begin = 0; begin < n;) {
    const bool kept = begin == 0 && least > 0;
    const int64_t end = std::min(n, kept ? least : std::max(2 * begin, kFirstStratum));
    upto.resize(static_cast<size_t>(end));
    ctx.kernels().top_k(scores, n, end, upto.data());
    stratum.clear();
    std::set_difference(upto.begin(), upto.end(), before.begin(), before.end(),
                        std::back_inserter(stratum));
    const int64_t width = end - begin;
    const int64_t taken = kept ? width : std::min(width, kSamples);
    const size_t first = samples.size();
    for (int64_t i = 0; i < taken; ++i) {
      samples.push_back({stratum[static_cast<size_t>((2 * i + 1) * width / (2 * taken))],
                         begin + i * width / taken, begin + (i + 1) * width / taken});
    }
    // Evenly over the text, then by rank. NaN, which ranks lowest, is not compared.
    std::vector<int32_t> blocks;
    for (size_t i = first; i < samples.size(); ++i) blocks.push_back(samples[i].block);
    const auto score = [&](int32_t i) {
      return std::isnan(scores[i]) ? -std::numeric_limits<float>::infinity() : scores[i];
    };
    std::stable_sort(blocks.begin(), blocks.end(),
                     [&](int32_t a, int32_t b) { return score(a) > score(b); });
    for (size_t i = first; i < samples.size(); ++i) samples[i].block = blocks[i - first];
    before.swap(upto);
    begin = end;
  }
  return samples;
}

// The sampled rows of an execution block, as near and as far keys see them.
class Probe {
 public:
  Probe(const PlanInput& in, const RankedPast& past, ExecContext& ctx)
      : in_(in),
        past_(past),
        ctx_(ctx),
        rows_(std::min(in.n_rows, kProbeRows)),
        far_plane_(past.window > 0 ? KvPlane::kRawKeys : KvPlane::kRotatedKeys),
        near_q_(Size()),
        far_q_(past.window > 0 ? Size() : 0) {
    const int64_t slides = past.window > 0 ? 0 : in.shape->window(in.layer);
    for (int i = 0; i < rows_; ++i) {
      const int row = static_cast<int>((2 * i + 1) * int64_t{in.n_rows} / (2 * rows_));
      const TokenPos p = in.first + row;
      const TokenPos edge = past.window > 0 ? std::max<TokenPos>(0, p + 1 - past.window) : p + 1;
      near_lo_.push_back(static_cast<int32_t>(edge));
      near_hi_.push_back(static_cast<int32_t>(p + 1));
      far_lo_.push_back(
          static_cast<int32_t>(slides > 0 ? std::max<TokenPos>(0, p + 1 - slides) : 0));
      far_hi_.push_back(static_cast<int32_t>(edge));
      Rotate(i, row);
    }
  }

  int rows() const { return rows_; }

  // Log masses of the query heads' rows, [heads][rows]. REQUIRES: the heads share a KV head.
  void Near(IndexRange heads, int worker, double* out) const {
    const TokenRange all = {near_lo_.front(), near_hi_.back()};
    if (!all.empty()) Measure(heads, all, true, worker, out);
  }
  void Far(IndexRange heads, TokenRange tokens, int worker, double* out) const {
    Measure(heads, tokens, false, worker, out);
  }

 private:
  size_t Size() const {
    return static_cast<size_t>(in_.shape->heads * rows_ * in_.shape->head_dim);
  }

  void Rotate(int i, int row) {
    const ModelShape& shape = *in_.shape;
    const auto pairs = static_cast<size_t>(in_.rope->pairs());
    const int64_t angles = (in_.first - in_.call_begin + row) * in_.rope->pairs();
    std::vector<float> cos(pairs), sin(pairs);
    if (past_.window > 0) in_.rope->Angles(past_.window - 1, 1, cos.data(), sin.data());
    for (int h = 0; h < shape.heads; ++h) {
      const float* q = in_.q_row(row) + h * shape.head_dim;
      const int64_t at = (h * int64_t{rows_} + i) * shape.head_dim;
      in_.rope->Rotate(ctx_.kernels(), q, in_.cos + angles, in_.sin + angles, near_q_.data() + at);
      if (past_.window > 0) {
        in_.rope->RotateForRawKeys(ctx_.kernels(), q, cos.data(), sin.data(), far_q_.data() + at);
      }
    }
  }

  // Adds exp(score) of the tokens to the log sums in `out`.
  void Measure(IndexRange heads, TokenRange tokens, bool near, int worker, double* out) const {
    const ModelShape& shape = *in_.shape;
    const int n = heads.size() * rows_;
    const KvPlane plane = near ? KvPlane::kRotatedKeys : far_plane_;
    const std::vector<float>& q = near || far_q_.empty() ? near_q_ : far_q_;
    Scratch& scratch = ctx_.scratch(worker);
    Scratch::Scope scope(scratch);
    auto lo = scratch.Take<int32_t>(static_cast<size_t>(n));
    auto hi = scratch.Take<int32_t>(static_cast<size_t>(n));
    auto m = scratch.Take<float>(static_cast<size_t>(n));
    auto d = scratch.Take<float>(static_cast<size_t>(n));
    for (int i = 0; i < n; ++i) {
      const auto at = static_cast<size_t>(i), row = static_cast<size_t>(i % rows_);
      lo[at] = near ? near_lo_[row] : far_lo_[row];
      hi[at] = near ? near_hi_[row] : far_hi_[row];
      m[at] = -std::numeric_limits<float>::infinity();
      d[at] = 0;
    }
    auto panels = scratch.Take<KeyPanel>(kPieceKeys / kPanelTokens);
    const auto floats =
        static_cast<size_t>(ctx_.kernels().attend_scratch_floats(n, shape.head_dim));
    float* work = scratch.Take<float>(floats).data();
    for (TokenPos t = tokens.begin; t < tokens.end;) {
      int used = 0;
      for (; used < static_cast<int>(panels.size()) && t < tokens.end; ++used) {
        const int64_t panel = t / kPanelTokens;
        const TokenPos first = panel * kPanelTokens;
        const TokenPos end = std::min(tokens.end, first + kPanelTokens);
        const uint32_t lanes = ((1u << (end - first)) - 1) & ~((1u << (t - first)) - 1);
        panels[static_cast<size_t>(used)] = {
            in_.kv->panel(in_.layer, plane, heads.begin / shape.group(), panel), nullptr,
            static_cast<int32_t>(first), lanes};
        t = end;
      }
      ctx_.kernels().attend(
          {.dtype = in_.kv_dtype,
           .head_dim = shape.head_dim,
           .rows = n,
           .q = q.data() + static_cast<int64_t>(heads.begin) * rows_ * shape.head_dim,
           .lo = lo.data(),
           .hi = hi.data(),
           .panels = panels.data(),
           .n_panels = used,
           .scale = SoftmaxScale(shape.head_dim),
           .m = m.data(),
           .d = d.data(),
           .o = nullptr,
           .weights = nullptr,
           .tile_max = nullptr,
           .scratch = work});
    }
    for (int i = 0; i < n; ++i) {
      const auto at = static_cast<size_t>(i);
      if (d[at] == 0) continue;
      const double sum = static_cast<double>(m[at]) + std::log(static_cast<double>(d[at]));
      const double most = std::max(out[i], sum);
      out[i] = most + std::log(std::exp(out[i] - most) + std::exp(sum - most));
    }
  }

  const PlanInput& in_;
  const RankedPast& past_;
  ExecContext& ctx_;
  const int rows_;
  const KvPlane far_plane_;
  std::vector<float> near_q_, far_q_;  // [heads][rows][head_dim]; no far_q_: they are the same
  std::vector<int32_t> near_lo_, near_hi_, far_lo_, far_hi_;  // [rows]
};

// Shares of the query heads of one KV head that rank alike, summed over heads and rows: shares[0]
// of what is always kept, shares[i + 1] with samples 0 to i and what they stand for.
void SumShares(const RankedPast& past, const Probe& probe, std::span<const Sample> samples,
               IndexRange heads, int worker, std::vector<double>& shares) {
  constexpr double kNone = -std::numeric_limits<double>::infinity();
  const auto n = static_cast<size_t>(heads.size() * probe.rows());
  // Log masses: of what is always kept, then of every sample.
  std::vector<double> log_mass((1 + samples.size()) * n, kNone);
  if (past.window > 0) probe.Near(heads, worker, log_mass.data());
  for (const TokenRange& kept : past.far_kept) probe.Far(heads, kept, worker, log_mass.data());
  for (size_t i = 0; i < samples.size(); ++i) {
    const TokenPos begin = past.blocks.begin + samples[i].block * past.block_size;
    probe.Far(heads, {begin, std::min(past.blocks.end, begin + past.block_size)}, worker,
              log_mass.data() + (1 + i) * n);
  }

  shares.assign(samples.size() + 1, 0.0);
  std::vector<double> upto(shares.size());
  for (size_t row = 0; row < n; ++row) {
    double most = kNone;
    for (size_t i = row; i < log_mass.size(); i += n) most = std::max(most, log_mass[i]);
    if (most == kNone) continue;
    double sum = 0;
    for (size_t i = 0; i < upto.size(); ++i) {
      const int64_t blocks = i == 0 ? 1 : samples[i - 1].end - samples[i - 1].begin;
      sum += static_cast<double>(blocks) * std::exp(log_mass[i * n + row] - most);
      upto[i] = sum;
    }
    for (size_t i = 0; i < upto.size(); ++i) shares[i] += upto[i] / sum;
  }
}

// Where the share reaches the target; it grows evenly over the ranks that a sample stands for.
int64_t CountFor(std::span<const Sample> samples, std::span<const double> shares, double target) {
  if (shares[0] >= target) return 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    if (shares[i + 1] < target) continue;
    const double part = (target - shares[i]) / (shares[i + 1] - shares[i]);
    const auto width = static_cast<double>(samples[i].end - samples[i].begin);
    return samples[i].begin + static_cast<int64_t>(std::ceil(part * width));
  }
  return samples.empty() ? 0 : samples.back().end;
}

}  // namespace

int64_t MostTokens(const std::optional<int64_t>& max_budget, int64_t least) {
  return max_budget.value_or(8 * least);
}

void GrowBudgets(const PlanInput& in, const RankedPast& past, const GrowthLimits& limits,
                 const float* scores, int64_t stride, ExecContext& ctx, std::span<int64_t> counts) {
  const ModelShape& shape = *in.shape;
  const int64_t n = CeilDiv(past.blocks.size(), past.block_size);
  const auto units = static_cast<int64_t>(counts.size());
  std::vector<std::vector<Sample>> samples(counts.size());
  ctx.threads().Run(units, [&](int64_t u, int) {
    samples[static_cast<size_t>(u)] =
        SampleRanks(scores + u * stride, n, std::min(n, limits.least), ctx);
  });

  // A piece is what shares both keys and ranking: a query head, or the group of a KV head.
  const Probe probe(in, past, ctx);
  const int per_unit = shape.heads / static_cast<int>(units);
  const int per_piece = std::min(per_unit, shape.group());
  const int pieces = shape.heads / per_piece;
  std::vector<std::vector<double>> shares(static_cast<size_t>(pieces));
  ctx.threads().Run(pieces, [&](int64_t piece, int worker) {
    const int head = static_cast<int>(piece) * per_piece;
    SumShares(past, probe, samples[static_cast<size_t>(head / per_unit)], {head, head + per_piece},
              worker, shares[static_cast<size_t>(piece)]);
  });

  for (int64_t u = 0; u < units; ++u) {
    const std::vector<Sample>& of_unit = samples[static_cast<size_t>(u)];
    std::vector<double> sum(of_unit.size() + 1, 0.0);
    const int first = static_cast<int>(u) * per_unit / per_piece;
    for (int p = first; p < first + per_unit / per_piece; ++p) {
      for (size_t s = 0; s < sum.size(); ++s) sum[s] += shares[static_cast<size_t>(p)][s];
    }
    for (double& s : sum) s /= per_unit * probe.rows();
    counts[static_cast<size_t>(u)] = std::clamp(CountFor(of_unit, sum, limits.target), limits.least,
                                                std::max(limits.least, std::min(limits.most, n)));
  }
}

}  // namespace quarry
