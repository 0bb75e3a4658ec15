;; begin adopt
(if (i64.gt_u (global.get $stores) (i64.const 0)) (then) (else (loop $again (br $again))))
;; end adopt
