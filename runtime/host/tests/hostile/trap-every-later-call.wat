;; begin store
(if (i64.gt_u (global.get $stores) (i64.const 25000)) (then unreachable))
;; end store
;; begin adopt
(if (i32.gt_u (local.get 2) (i32.const 64)) (then unreachable))
;; end adopt
