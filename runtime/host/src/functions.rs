use wasmtime::{
    Store,
    component::{self, ComponentExportIndex, ComponentNamedList, Lift, Lower, TypedFunc},
};

use crate::guest_state::GuestState;

/// Finds the functions of one exported interface.
pub(crate) struct Functions<'a> {
    store: &'a mut Store<GuestState>,
    instance: &'a component::Instance,
    name: &'static str,
    interface: ComponentExportIndex,
}

impl<'a> Functions<'a> {
    pub(crate) fn of(
        store: &'a mut Store<GuestState>,
        instance: &'a component::Instance,
        name: &'static str,
    ) -> wasmtime::Result<Self> {
        let interface = instance
            .get_export_index(&mut *store, None, name)
            .ok_or_else(|| wasmtime::Error::msg(format!("{name} is not exported")))?;
        Ok(Self { store, instance, name, interface })
    }

    /// The function with this name; an error where its type is not the one asked for.
    pub(crate) fn find<Parameters, Return>(&mut self, function: &str) -> wasmtime::Result<TypedFunc<Parameters, Return>>
    where
        Parameters: ComponentNamedList + Lower,
        Return: ComponentNamedList + Lift,
    {
        let index = self
            .instance
            .get_export_index(&mut *self.store, Some(&self.interface), function)
            .ok_or_else(|| wasmtime::Error::msg(format!("{} has no function {function}", self.name)))?;
        self.instance.get_typed_func(&mut *self.store, index)
    }
}
