/// What the export macros of all kinds share: the one instance, and the exports of `lifecycle`. It leaves `INSTANCE` and
/// `Exports` behind for the kind's own exports.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_lifecycle {
    ($strategy:ty, $contract:path, $kind:literal, $instance:ty, $name:expr, $version:expr) => {
        use $crate::bindings::lifecycle::exports::switchyard::lifecycle::lifecycle;

        const IDENTITY: $crate::lifecycle::Identity = $crate::lifecycle::Identity::new($name, $version);
        const MEASURES: $crate::lifecycle::Measures = $crate::lifecycle::Measures::new(
            <$strategy as $contract>::INTERESTS,
            <$strategy as $contract>::COUNTERS,
            <$strategy as $contract>::GAUGES,
        );

        // A guest has one thread: this is a plain static there, without a lock.
        std::thread_local! {
            static INSTANCE: std::cell::RefCell<$instance> = const { std::cell::RefCell::new(<$instance>::new()) };
        }

        struct Exports;

        impl lifecycle::Guest for Exports {
            fn describe() -> lifecycle::Description {
                $crate::lifecycle::describe::<<$strategy as $contract>::Configuration>(
                    IDENTITY,
                    $kind,
                    <$strategy as $contract>::STATE_FORMAT,
                    MEASURES,
                )
            }

            fn configure(configuration: String, seed: u64) -> Result<(), String> {
                INSTANCE.with_borrow_mut(|instance| instance.configure(&configuration, seed))
            }

            fn export_state() -> Vec<u8> {
                INSTANCE.with_borrow(|instance| instance.export_state())
            }

            fn import_state(format: String, bytes: Vec<u8>) -> Result<(), String> {
                INSTANCE.with_borrow_mut(|instance| instance.import_state(&format, &bytes))
            }
        }

        // Natively nothing calls them, and a strategy is not dead code for that.
        #[cfg(not(target_family = "wasm"))]
        const _: fn(String, u64) -> Result<(), String> = <Exports as lifecycle::Guest>::configure;

        #[cfg(target_family = "wasm")]
        $crate::bindings::lifecycle::export_lifecycle!(Exports with_types_in $crate::bindings::lifecycle);
    };
}
