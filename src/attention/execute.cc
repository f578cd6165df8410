#include "attention/execute.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "attention/gather.h"
#include "attention/partial.h"
#include "attention/tiling.h"
#include "base/check.h"
#include "base/checked_math.h"
#include "kernels/panel.h"

namespace quarry {
namespace {

using kernels::KeyPanel;
using kernels::kPanelTokens;
using kernels::kTilePanels;
using kernels::kTileTokens;

// With few rows the keys are cut between threads, in pieces of this many.
constexpr int kFewRows = 16;
constexpr int64_t kKeysPerPiece = 2048;
constexpr int64_t kAllKeys = std::numeric_limits<int64_t>::max();
// Panels handed to the kernel at once where no scores are wanted.
constexpr int kBatchPanels = 256;

int32_t Clamp32(int64_t x) {
  return static_cast<int32_t>(std::clamp<int64_t>(x, 0, std::numeric_limits<int32_t>::max()));
}

// Some keys of some segments, for one tile.
struct Item {
  size_t tile;
  std::span<const uint32_t> segments;
  int64_t key_begin, key_end;  // in the segments' key order; several segments: all keys
  PartialView partial;         // only if the tile is cut into several items
};

// What the kernel left behind for the scores of one segment: weights of its stacked rows.
struct Weights {
  size_t tile;
  size_t segment;
  int first_head;  // query head of the first stacked row
  int heads;
  int rows_per_head;
  int stack_begin;  // index of the first stacked row in the tile
  int n_panels;
  const KeyPanel* panels;
  const int64_t* key_of_lane0;  // per panel: index of its lane 0 in the segment's key order
  const float* weights;
  const float* tile_max;
};

struct FixedAngles {
  TokenPos position;
  const float* cos;
  const float* sin;
};

// A column list of the plan, copied together.
struct GatheredList {
  std::byte* keys;
  std::byte* values;
};
// Panels of one of them that are copied by one worker, from `panel` on.
struct ListPiece {
  size_t list;
  int64_t panel;
};

}  // namespace

struct AttentionExecutor::Workspace {
  Tiling tiling;
  std::vector<FixedAngles> angles;
  std::vector<GatheredList> lists;
  std::vector<ListPiece> list_pieces;
  std::vector<Item> items;
  std::vector<std::vector<Weights>> weights;  // per worker
  KeyScores scores;
};

// One call of Execute.
class ExecuteStep {
 public:
  ExecuteStep(const AttentionPlan& plan, const AttendInput& input, ExecContext& ctx,
              AttentionExecutor::Workspace& work)
      : plan_(plan),
        in_(input),
        ctx_(ctx),
        work_(work),
        dim_(input.shape->head_dim),
        o_stride_(kernels::ValueStride(input.shape->head_dim)) {}

  void Run() {
    Scratch::Scope scope(ctx_.scratch());
    work_.weights.resize(static_cast<size_t>(ctx_.threads().size()));
    for (auto& w : work_.weights) w.clear();
    PrepareAngles();
    GatherLists();
    work_.tiling.Cut(plan_, *in_.shape, in_.n_rows);
    PrepareScores();
    if (in_.n_rows <= kFewRows) {
      RunCut();
    } else {
      RunWhole();
    }
    SumRowTiles();
  }

 private:
  void PrepareAngles() {
    const auto half = static_cast<size_t>(in_.rope->pairs());
    work_.angles.clear();
    for (const Segment& s : plan_.segments()) {
      if (!s.position.query || Find(*s.position.query) != nullptr) continue;
      float* cos = ctx_.scratch().Take<float>(half).data();
      float* sin = ctx_.scratch().Take<float>(half).data();
      in_.rope->Angles(*s.position.query, 1, cos, sin);
      work_.angles.push_back({*s.position.query, cos, sin});
    }
  }
  const FixedAngles* Find(TokenPos position) const {
    for (const FixedAngles& a : work_.angles) {
      if (a.position == position) return &a;
    }
    return nullptr;
  }

  void GatherLists() {
    work_.lists.clear();
    work_.list_pieces.clear();
    constexpr int64_t kPanelsPerPiece = 16;
    const size_t key_bytes = kernels::KeyPanelBytes(in_.kv_dtype, dim_);
    const size_t value_bytes = kernels::ValuePanelBytes(in_.kv_dtype, dim_);
    for (const AttentionPlan::ColumnList& l : plan_.column_lists()) {
      const auto panels = CeilDiv(static_cast<int64_t>(l.end - l.begin), kPanelTokens);
      for (int64_t p = 0; p < panels; p += kPanelsPerPiece) {
        work_.list_pieces.push_back({work_.lists.size(), p});
      }
      const auto n = static_cast<size_t>(panels);
      work_.lists.push_back({ctx_.scratch().Take<std::byte>(n * key_bytes).data(),
                             ctx_.scratch().Take<std::byte>(n * value_bytes).data()});
    }
    ctx_.threads().Run(static_cast<int64_t>(work_.list_pieces.size()), [&](int64_t i, int) {
      const ListPiece& piece = work_.list_pieces[static_cast<size_t>(i)];
      const AttentionPlan::ColumnList& l = plan_.column_lists()[piece.list];
      const std::span<const TokenPos> tokens = plan_.tokens(l);
      const GatherSource source = {in_.kv, in_.layer, l.kv_head, l.keys, in_.kv_dtype, dim_};
      for (int64_t p = piece.panel; p < piece.panel + kPanelsPerPiece; ++p) {
        const auto begin = static_cast<size_t>(p * kPanelTokens);
        if (begin >= tokens.size()) return;
        const auto panel = static_cast<size_t>(p);
        GatherPanel(source,
                    tokens.subspan(begin, std::min<size_t>(kPanelTokens, tokens.size() - begin)),
                    work_.lists[piece.list].keys + panel * key_bytes,
                    work_.lists[piece.list].values + panel * value_bytes);
      }
    });
  }

  // Scores of each row tile are summed apart and added up in order, so that the result does not
  // depend on which thread came first.
  void PrepareScores() {
    work_.scores.entries_.assign(plan_.segments().size(), {});
    size_t total = 0;
    for (size_t i = 0; i < plan_.segments().size(); ++i) {
      const Segment& s = plan_.segments()[i];
      if (!s.want_scores) continue;
      work_.scores.entries_[i] = {total, plan_.KeyCount(s)};
      total += static_cast<size_t>(s.heads.size()) * static_cast<size_t>(plan_.KeyCount(s));
    }
    work_.scores.data_.assign(total, 0.0f);
    if (total == 0) return;
    if (work_.tiling.row_tiles() == 1) {
      tile_scores_ = work_.scores.data_.data();
      return;
    }
    tile_scores_ =
        ctx_.scratch().Take<float>(total * static_cast<size_t>(work_.tiling.row_tiles())).data();
    std::fill(tile_scores_, tile_scores_ + total * static_cast<size_t>(work_.tiling.row_tiles()),
              0.0f);
  }

  void SumRowTiles() {
    const size_t total = work_.scores.data_.size();
    if (work_.tiling.row_tiles() == 1 || total == 0) return;
    const int pieces = ctx_.threads().size();
    ctx_.threads().Run(pieces, [&](int64_t i, int) {
      const Slice slice = SliceOf(static_cast<int64_t>(total), pieces, i);
      for (int t = 0; t < work_.tiling.row_tiles(); ++t) {
        ctx_.kernels().add(tile_scores_ + static_cast<size_t>(t) * total + slice.begin,
                           slice.end - slice.begin, work_.scores.data_.data() + slice.begin);
      }
    });
  }

  // Many rows: a tile is one piece of work.
  void RunWhole() {
    ctx_.threads().Run(static_cast<int64_t>(work_.tiling.tiles().size()), [&](int64_t i,
                                                                              int worker) {
      Scratch& scratch = ctx_.scratch(worker);
      Scratch::Scope scope(scratch);
      const auto t = static_cast<size_t>(i);
      const PartialView partial = NewPartial(work_.tiling.tiles()[t], scratch);
      std::vector<Weights>& weights = work_.weights[static_cast<size_t>(worker)];
      weights.clear();
      Attend({t, work_.tiling.SegmentsOf(work_.tiling.tiles()[t]), 0, kAllKeys, partial}, worker);
      FinishTile(work_.tiling.tiles()[t], partial);
      for (const Weights& w : weights) AddScores(partial, w, scratch);
    });
  }

  // Few rows: keys are cut between threads.
  void RunCut() {
    work_.items.clear();
    for (size_t t = 0; t < work_.tiling.tiles().size(); ++t) {
      const std::span<const uint32_t> ids = work_.tiling.SegmentsOf(work_.tiling.tiles()[t]);
      for (size_t s = 0; s < ids.size(); ++s) {
        const Segment& segment = plan_.segments()[ids[s]];
        if (!work_.tiling.tiles()[t].Meets(segment)) continue;
        const int64_t keys = plan_.KeyCount(segment);
        const int64_t pieces = CeilDiv(keys, kKeysPerPiece);
        for (int64_t i = 0; i < pieces; ++i) {
          const Slice cut = SliceOf(keys, pieces, i);
          work_.items.push_back({t, ids.subspan(s, 1), cut.begin, cut.end,
                                 NewPartial(work_.tiling.tiles()[t], ctx_.scratch())});
        }
      }
    }
    // Scores need every piece's weights until all pieces of a tile are merged, so that workers keep
    // their scratch over both loops.
    ctx_.threads().Run(static_cast<int64_t>(work_.items.size()), [&](int64_t i, int worker) {
      Attend(work_.items[static_cast<size_t>(i)], worker);
    });
    ctx_.threads().Run(
        static_cast<int64_t>(work_.tiling.tiles().size()), [&](int64_t i, int worker) {
          const auto t = static_cast<size_t>(i);
          const PartialView all = NewPartial(work_.tiling.tiles()[t], ctx_.scratch(worker));
          for (const Item& item : work_.items) {
            if (item.tile == t) Merge(all, item.partial);
          }
          FinishTile(work_.tiling.tiles()[t], all);
          for (const std::vector<Weights>& weights : work_.weights) {
            for (const Weights& w : weights) {
              if (w.tile == t) AddScores(all, w, ctx_.scratch(worker));
            }
          }
        });
    for (int w = 1; w < ctx_.threads().size(); ++w) ctx_.scratch(w).Reset();
  }

  PartialView NewPartial(const Tile& tile, Scratch& scratch) const {
    const auto rows = static_cast<size_t>(tile.stack());
    PartialView p = {scratch.Take<float>(rows).data(), scratch.Take<float>(rows).data(),
                     scratch.Take<float>(rows * static_cast<size_t>(o_stride_)).data(),
                     static_cast<int>(rows), o_stride_};
    p.SetEmpty();
    return p;
  }

  struct Queries {
    float* rotated = nullptr;  // [group * rows][dim]
    bool valid = false;
    PositionRule rule;
    int32_t* lo = nullptr;  // [group * rows]
    int32_t* hi = nullptr;
    float* kernel_scratch = nullptr;
  };

  void Attend(const Item& item, int worker) {
    const Tile& tile = work_.tiling.tiles()[item.tile];
    Scratch& scratch = ctx_.scratch(worker);
    const auto stack = static_cast<size_t>(tile.stack());
    Queries q;
    q.rotated = scratch.Take<float>(stack * static_cast<size_t>(dim_)).data();
    q.lo = scratch.Take<int32_t>(stack).data();
    q.hi = scratch.Take<int32_t>(stack).data();
    q.kernel_scratch = scratch
                           .Take<float>(static_cast<size_t>(
                               ctx_.kernels().attend_scratch_floats(static_cast<int>(stack), dim_)))
                           .data();
    for (uint32_t s : item.segments) {
      const Segment& segment = plan_.segments()[s];
      if (!tile.Meets(segment)) continue;
      if (!q.valid || q.rule != segment.position) Rotate(tile, segment.position, q);
      const IndexRange heads = tile.HeadsOf(segment);
      const IndexRange rows = tile.RowsOf(segment);
      // Stacked rows of several heads are contiguous only if every row of the tile takes part.
      const bool whole = rows.size() == tile.rows;
      const int step = whole ? heads.size() : 1;
      for (int h = heads.begin; h < heads.end; h += step) {
        AttendSegment(item, s, {h, h + step}, rows, q, worker);
      }
    }
  }

  void Rotate(const Tile& tile, const PositionRule& rule, Queries& q) const {
    const FixedAngles* fixed = rule.query ? Find(*rule.query) : nullptr;
    const int half = in_.rope->pairs();
    const bool raw_keys = rule.keys == KvPlane::kRawKeys;
    for (int h = 0; h < tile.heads; ++h) {
      for (int r = 0; r < tile.rows; ++r) {
        const int row = tile.row + r;
        const int64_t angle = int64_t{row} * half;
        const float* x = in_.q + row * in_.q_stride + (tile.head + h) * dim_;
        float* rotated = q.rotated + static_cast<int64_t>(h * tile.rows + r) * dim_;
        const float* cos = fixed ? fixed->cos : in_.cos + angle;
        const float* sin = fixed ? fixed->sin : in_.sin + angle;
        if (raw_keys) {
          in_.rope->RotateForRawKeys(ctx_.kernels(), x, cos, sin, rotated);
        } else {
          in_.rope->Rotate(ctx_.kernels(), x, cos, sin, rotated);
        }
      }
    }
    q.valid = true;
    q.rule = rule;
  }

  void AttendSegment(const Item& item, size_t index, IndexRange heads, IndexRange rows,
                     const Queries& q, int worker) {
    Scratch& scratch = ctx_.scratch(worker);
    const Segment& segment = plan_.segments()[index];
    const Tile& tile = work_.tiling.tiles()[item.tile];
    const int n = heads.size() * rows.size();
    const int begin = (heads.begin - tile.head) * tile.rows + rows.begin - tile.row;
    for (int i = 0; i < n; ++i) {
      const TokenPos p = in_.first + rows.begin + i % rows.size();
      q.lo[i] = Clamp32(segment.mask.lo(p));
      q.hi[i] = Clamp32(segment.mask.hi(p));
    }
    // No row sees anything outside this.
    const TokenRange visible = {segment.mask.lo(in_.first + rows.begin),
                                segment.mask.hi(in_.first + rows.end - 1)};

    kernels::AttendArgs args = {.dtype = in_.kv_dtype,
                                .head_dim = dim_,
                                .rows = n,
                                .q = q.rotated + static_cast<int64_t>(begin) * dim_,
                                .lo = q.lo,
                                .hi = q.hi,
                                .panels = nullptr,
                                .n_panels = 0,
                                .scale = SoftmaxScale(dim_),
                                .m = item.partial.m + begin,
                                .d = item.partial.d + begin,
                                .o = item.partial.o + static_cast<int64_t>(begin) * o_stride_,
                                .weights = nullptr,
                                .tile_max = nullptr,
                                .scratch = q.kernel_scratch,
                                .may_round = ctx_.bf16_products()};

    const bool keep = segment.want_scores;
    PanelList list(keep ? MaxPanels(segment) : kBatchPanels, keep, scratch);
    const auto flush = [&] {
      if (list.n == 0) return;
      args.panels = list.panels;
      args.n_panels = list.n;
      ctx_.kernels().attend(args);
      list.n = 0;
    };
    ForEachPanel(item, segment, tile.kv_head, visible, scratch,
                 [&](const KeyPanel& panel, int64_t key) {
                   if (list.n == list.capacity) flush();
                   list.Add(panel, key);
                 });
    if (!keep) {
      flush();
      return;
    }
    if (list.n == 0) return;
    const int tiles = static_cast<int>(CeilDiv(list.n, kTilePanels));
    const auto slots = static_cast<size_t>(tiles) * static_cast<size_t>(n);
    args.weights = scratch.Take<float>(slots * kTileTokens).data();
    args.tile_max = scratch.Take<float>(slots).data();
    work_.weights[static_cast<size_t>(worker)].push_back(
        {item.tile, index, heads.begin, heads.size(), rows.size(), begin, list.n, list.panels,
         list.keys, args.weights, args.tile_max});
    flush();
  }

  struct PanelList {
    PanelList(int max, bool with_keys, Scratch& scratch)
        : capacity(max), panels(scratch.Take<KeyPanel>(static_cast<size_t>(max)).data()) {
      if (with_keys) keys = scratch.Take<int64_t>(static_cast<size_t>(max)).data();
    }
    void Add(const KeyPanel& panel, int64_t key) {
      panels[n] = panel;
      if (keys != nullptr) keys[n] = key;
      ++n;
    }
    int capacity;
    int n = 0;
    KeyPanel* panels;
    int64_t* keys = nullptr;
  };

  int MaxPanels(const Segment& s) const {
    int64_t n = CeilDiv(static_cast<int64_t>(plan_.columns(s).size()), kPanelTokens);
    for (const TokenRange& span : plan_.spans(s)) n += span.size() / kPanelTokens + 2;
    const int list = plan_.column_list(s);
    if (list >= 0) {
      const AttentionPlan::ColumnList& l = plan_.column_lists()[static_cast<size_t>(list)];
      n += CeilDiv(static_cast<int64_t>(l.end - l.begin), kPanelTokens);
    }
    return static_cast<int>(n);
  }

  // Calls f(panel, key index of its lane 0) for the item's share of the segment's keys.
  template <typename F>
  void ForEachPanel(const Item& item, const Segment& segment, int kv_head, TokenRange visible,
                    Scratch& scratch, F f) {
    const KvPlane plane = segment.position.keys;
    int64_t key = 0;  // index of the current span's first token
    for (const TokenRange& span : plan_.spans(segment)) {
      const TokenPos begin = std::max(
          {span.begin, visible.begin, span.begin + std::max<int64_t>(0, item.key_begin - key)});
      const TokenPos end =
          std::min({span.end, visible.end,
                    span.begin + std::min(span.size(), std::max<int64_t>(0, item.key_end - key))});
      for (int64_t p = begin / kPanelTokens; p * kPanelTokens < end && begin < end; ++p) {
        const TokenPos first = p * kPanelTokens;
        uint32_t lanes = 0xffffu;
        if (first < begin) lanes &= 0xffffu << (begin - first);
        if (first + kPanelTokens > end) lanes &= 0xffffu >> (first + kPanelTokens - end);
        f(KeyPanel{in_.kv->panel(in_.layer, plane, kv_head, p),
                   in_.kv->panel(in_.layer, KvPlane::kValues, kv_head, p),
                   static_cast<int32_t>(first), lanes},
          key + first - span.begin);
      }
      key += span.size();
    }
    const auto columns = plan_.columns(segment);
    const int64_t n_columns = static_cast<int64_t>(columns.size());
    const int64_t first = std::clamp<int64_t>(item.key_begin - key, 0, n_columns);
    const int64_t last = item.key_end == kAllKeys
                             ? n_columns
                             : std::clamp<int64_t>(item.key_end - key, 0, n_columns);
    const GatherSource source = {in_.kv, in_.layer, kv_head, plane, in_.kv_dtype, dim_};
    for (int64_t c = first; c < last; c += kPanelTokens) {
      const int64_t n = std::min<int64_t>(kPanelTokens, last - c);
      std::byte* k = scratch.Take<std::byte>(kernels::KeyPanelBytes(in_.kv_dtype, dim_)).data();
      std::byte* v = scratch.Take<std::byte>(kernels::ValuePanelBytes(in_.kv_dtype, dim_)).data();
      GatherPanel(source, columns.subspan(static_cast<size_t>(c), static_cast<size_t>(n)), k, v);
      f(KeyPanel{k, v, -1, 0xffffu >> (kPanelTokens - n)}, key + c);
    }
    key += n_columns;

    if (plan_.column_list(segment) < 0) return;
    const GatheredList& list = work_.lists[static_cast<size_t>(plan_.column_list(segment))];
    const size_t key_bytes = kernels::KeyPanelBytes(in_.kv_dtype, dim_);
    const size_t value_bytes = kernels::ValuePanelBytes(in_.kv_dtype, dim_);
    plan_.ForEachListPanel(segment, [&](int64_t p, uint32_t lanes) {
      const int64_t lane0 = key + p * kPanelTokens;
      if (lane0 + kPanelTokens <= item.key_begin || lane0 >= item.key_end) return;
      if (lane0 < item.key_begin) lanes &= 0xffffu << (item.key_begin - lane0);
      if (lane0 + kPanelTokens > item.key_end) {
        lanes &= 0xffffu >> (lane0 + kPanelTokens - item.key_end);
      }
      const auto panel = static_cast<size_t>(p);
      if (lanes != 0) {
        f(KeyPanel{list.keys + panel * key_bytes, list.values + panel * value_bytes, -1, lanes},
          lane0);
      }
    });
  }

  void FinishTile(const Tile& tile, const PartialView& p) const {
    for (int h = 0; h < tile.heads; ++h) {
      for (int r = 0; r < tile.rows; ++r) {
        const int i = h * tile.rows + r;
        const float* o = p.o + static_cast<int64_t>(i) * o_stride_;
        float* out =
            in_.out + (tile.row + r) * in_.out_stride + static_cast<int64_t>(tile.head + h) * dim_;
        const float inverse = p.d[i] > 0 ? 1.0f / p.d[i] : 0.0f;
        for (int c = 0; c < dim_; ++c) out[c] = o[c] * inverse;
        if (in_.log_sums != nullptr) {
          in_.log_sums[static_cast<int64_t>(tile.row + r) * in_.shape->heads + tile.head + h] =
              p.m[i] + std::log(p.d[i]);
        }
      }
    }
  }

  // Turns the kernel's weights into probabilities under the final (m, d) and sums them over rows.
  void AddScores(const PartialView& p, const Weights& w, Scratch& scratch) {
    Scratch::Scope scope(scratch);
    const int row_tile = work_.tiling.tiles()[w.tile].row / work_.tiling.tile_rows();
    const KeyScores::Entry& entry = work_.scores.entries_[w.segment];
    const int stack = w.heads * w.rows_per_head;
    float* factor = scratch.Take<float>(static_cast<size_t>(w.rows_per_head)).data();
    for (int h = 0; h < w.heads; ++h) {
      const int head = w.first_head + h - plan_.segments()[w.segment].heads.begin;
      float* out = tile_scores_ + static_cast<size_t>(row_tile) * work_.scores.data_.size() +
                   entry.offset + static_cast<size_t>(head) * static_cast<size_t>(entry.keys);
      for (int t = 0; t * kTilePanels < w.n_panels; ++t) {
        const int64_t slot = static_cast<int64_t>(t) * stack + h * w.rows_per_head;
        for (int r = 0; r < w.rows_per_head; ++r) {
          const int i = w.stack_begin + h * w.rows_per_head + r;
          const float top = w.tile_max[slot + r];
          factor[r] = p.d[i] > 0 ? (top == p.m[i] ? 1.0f : std::exp(top - p.m[i])) / p.d[i] : 0.0f;
        }
        float sums[kTileTokens] = {};
        ctx_.kernels().column_sums(w.weights + slot * kTileTokens, factor, w.rows_per_head, sums);
        for (int panel = t * kTilePanels; panel < std::min((t + 1) * kTilePanels, w.n_panels);
             ++panel) {
          const float* s = sums + (panel - t * kTilePanels) * kPanelTokens;
          for (int lane = 0; lane < kPanelTokens; ++lane) {
            if (w.panels[panel].lanes >> lane & 1u) out[w.key_of_lane0[panel] + lane] += s[lane];
          }
        }
      }
    }
  }

  const AttentionPlan& plan_;
  const AttendInput& in_;
  ExecContext& ctx_;
  AttentionExecutor::Workspace& work_;
  const int dim_;
  const int o_stride_;
  float* tile_scores_ = nullptr;  // [row tile][as work_.scores.data_]
};

std::span<const float> KeyScores::Of(const AttentionPlan& plan, size_t segment, int head) const {
  const Entry& e = entries_[segment];
  const auto keys = static_cast<size_t>(e.keys);
  return {data_.data() + e.offset +
              static_cast<size_t>(head - plan.segments()[segment].heads.begin) * keys,
          keys};
}

AttentionExecutor::AttentionExecutor() : workspace_(std::make_unique<Workspace>()) {}
AttentionExecutor::AttentionExecutor(AttentionExecutor&&) noexcept = default;
AttentionExecutor& AttentionExecutor::operator=(AttentionExecutor&&) noexcept = default;
AttentionExecutor::~AttentionExecutor() = default;

void AttentionExecutor::Execute(const AttentionPlan& plan, const AttendInput& input,
                                ExecContext& ctx) {
  ExecuteStep(plan, input, ctx, *workspace_).Run();
}

const KeyScores& AttentionExecutor::scores() const { return workspace_->scores; }

}  // namespace quarry
